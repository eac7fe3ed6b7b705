//! Packs the samples of a series into chunks, as Prometheus would.

mod histograms;

use latewood_model::{SeriesSamples, TimestampMs};

use super::bit_writer::BitWriter;
use super::xor_writer::XorWriter;
use histograms::Packer;

/// Samples of a chunk at most.
const MAX_SAMPLES: usize = 120;

/// Samples of one series, packed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// 1: floats. 2: histograms of integers. 3: histograms of floats.
    pub encoding: u8,
    /// The time of the first sample.
    pub first: TimestampMs,
    /// The time of the last one.
    pub last: TimestampMs,
    /// The samples.
    pub data: Vec<u8>,
}

/// The samples of a series as chunks in the order of their times. Start timestamps are left out, as the encodings know none.
#[must_use]
pub fn encode(series: &SeriesSamples) -> Vec<Chunk> {
    let (mut chunks, mut at) = (Vec::new(), 0);
    for run in runs(series) {
        put_floats(&mut chunks, series, at..run.floats_before);
        at = run.floats_before;
        put_histograms(&mut chunks, series, run.histograms);
    }
    put_floats(&mut chunks, series, at..series.values.len());
    chunks
}

/// Histograms between two floats.
struct Run {
    /// How many floats come before.
    floats_before: usize,
    histograms: std::ops::Range<usize>,
}

fn runs(series: &SeriesSamples) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for (place, sample) in series.histograms.iter().enumerate() {
        let floats_before = series.timestamps.partition_point(|at| *at < sample.timestamp);
        match runs.last_mut().filter(|run| run.floats_before == floats_before) {
            Some(run) => run.histograms.end = place + 1,
            None => runs.push(Run { floats_before, histograms: place..place + 1 }),
        }
    }
    runs
}

fn put_floats(chunks: &mut Vec<Chunk>, series: &SeriesSamples, range: std::ops::Range<usize>) {
    let times = series.timestamps.get(range.clone()).unwrap_or_default();
    let values = series.values.get(range).unwrap_or_default();
    for (times, values) in times.chunks(MAX_SAMPLES).zip(values.chunks(MAX_SAMPLES)) {
        let (Some(&first), Some(&last)) = (times.first(), times.last()) else { continue };
        let data = floats(times, values);
        chunks.push(Chunk { encoding: 1, first, last, data });
    }
}

fn floats(times: &[TimestampMs], values: &[f64]) -> Vec<u8> {
    let mut out = BitWriter::default();
    out.put(times.len() as u64, 16);
    let (mut before, mut delta, mut value) = (0, 0, None::<XorWriter>);
    for (place, (&at, &float)) in times.iter().zip(values).enumerate() {
        let change = at.wrapping_sub(before);
        match place {
            0 => out.varint(at),
            1 => out.uvarint(change as u64),
            _ => out.time_difference(change.wrapping_sub(delta)),
        }
        delta = if place == 0 { 0 } else { change };
        before = at;
        match &mut value {
            Some(value) => value.step(&mut out, float),
            None => value = Some(XorWriter::first(&mut out, float)),
        }
    }
    out.into_bytes()
}

fn put_histograms(chunks: &mut Vec<Chunk>, series: &SeriesSamples, range: std::ops::Range<usize>) {
    let samples = series.histograms.get(range).unwrap_or_default();
    let mut open: Option<Packer> = None;
    for sample in samples {
        let is_added = open.as_mut().is_some_and(|open| open.len() < MAX_SAMPLES && open.add(sample));
        if !is_added {
            chunks.extend(open.replace(Packer::new(sample)).map(Packer::finish));
        }
    }
    chunks.extend(open.map(Packer::finish));
}

#[cfg(test)]
mod tests;
