//! Native histograms of one series packed into bytes: one in full, those of the same layout that follow as
//! differences from the one before.
//!
//! ```text
//! record  = change of the time's difference z, flags u8, then
//!           the difference to the start timestamp before z, if it is another one, then
//!           of another layout: the histogram as the journal has it
//!           of the same layout: sum (8 bytes, unless it is the same), differences of count, zero count,
//!           positive and negative buckets
//! difference = n: integers modulo 2^64 after zigzag, doubles as the XOR of their bits, lowest byte last;
//!           0 is followed by how many more zeros follow
//! ```
//! Histograms of a counter change in few buckets from one scrape to the next, so that most differences
//! are zeros. The layout lives in memory alone.

use std::sync::Arc;

use latewood_model::histogram::{BucketCount, Buckets, Histogram, ResetHint};
use latewood_model::{HistogramSample, NO_START, NativeHistogram, TimeRange, TimestampMs};

use crate::journal::{Reader, decode_histogram, encode_histogram, push, unzigzag, zigzag};

/// Flag: the layout is that of the one before.
const SAME_LAYOUT: u8 = 1;
/// Flag: the sum is that of the one before.
const SAME_SUM: u8 = 2;
/// Flag: the start timestamp is another one than that of the one before, of the first one than none.
const OTHER_START: u8 = 16;
/// Where the two bits of the reset hint stand among the flags.
const HINT_SHIFT: u32 = 2;

/// A count that is stored as a difference.
trait Difference: BucketCount {
    fn minus(self, before: Self) -> u64;
    fn plus(self, difference: u64) -> Self;
}

impl Difference for u64 {
    fn minus(self, before: Self) -> u64 {
        zigzag(self.wrapping_sub(before) as i64)
    }

    fn plus(self, difference: u64) -> Self {
        self.wrapping_add(unzigzag(difference) as Self)
    }
}

impl Difference for f64 {
    fn minus(self, before: Self) -> u64 {
        (self.to_bits() ^ before.to_bits()).swap_bytes()
    }

    fn plus(self, difference: u64) -> Self {
        Self::from_bits(self.to_bits() ^ difference.swap_bytes())
    }
}

/// A run of histograms that is still appended to, in ascending order of time.
#[derive(Debug, Default)]
pub(super) struct OpenHistograms {
    bytes: Vec<u8>,
    last: Option<HistogramSample>,
    first: TimestampMs,
    delta: i64,
    count: u32,
    weight: usize,
}

impl OpenHistograms {
    /// How many.
    pub(super) fn count(&self) -> u32 {
        self.count
    }

    /// Bytes of packed histograms.
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// The newest one.
    pub(super) fn last(&self) -> Option<&HistogramSample> {
        self.last.as_ref()
    }

    /// Bytes of memory; the newest histogram is held unpacked.
    pub(super) fn heap_size(&self) -> usize {
        self.bytes.capacity() + self.last.as_ref().map_or(0, |last| last.histogram.heap_size())
    }

    /// The span of its times.
    pub(super) fn span(&self) -> TimeRange {
        self.last.as_ref().map_or(TimeRange::EMPTY, |last| TimeRange::new(self.first, last.timestamp))
    }

    /// Appends a histogram that is newer than the last one.
    pub(super) fn push(&mut self, sample: HistogramSample) {
        debug_assert!(self.last.as_ref().is_none_or(|last| last.timestamp < sample.timestamp));
        let at = sample.timestamp;
        match &self.last {
            Some(last) => {
                let delta = at.wrapping_sub(last.timestamp);
                push(&mut self.bytes, zigzag(delta.wrapping_sub(self.delta)));
                self.delta = delta;
                write(&sample, Some(last), &mut self.bytes);
            }
            None => {
                self.first = at;
                write(&sample, None, &mut self.bytes);
            }
        }
        self.weight += sample.weight();
        self.count += 1;
        self.last = Some(sample);
    }

    /// A copy that can be read while this one grows.
    pub(super) fn snapshot(&self) -> SealedHistograms {
        SealedHistograms {
            bytes: self.bytes.as_slice().into(),
            span: self.span(),
            count: self.count,
            weight: self.weight,
        }
    }
}

fn write(now: &HistogramSample, before: Option<&HistogramSample>, out: &mut Vec<u8>) {
    use NativeHistogram::{Float, Integer};
    let start = Start(now.start.wrapping_sub(before.map_or(NO_START, |before| before.start)));
    match (&now.histogram, before.map(|before| &before.histogram)) {
        (Integer(now), Some(Integer(before))) if same_layout(now, before) => {
            differences(now, before, start, out);
        }
        (Float(now), Some(Float(before))) if same_layout(now, before) => {
            differences(now, before, start, out);
        }
        (now, _) => {
            start.put(0, out);
            encode_histogram(now, out);
        }
    }
}

/// The difference to the start timestamp before.
#[derive(Clone, Copy)]
struct Start(i64);

impl Start {
    /// Appends the flags and, if there is one, the difference.
    fn put(self, flags: u8, out: &mut Vec<u8>) {
        match self.0 {
            0 => out.push(flags),
            difference => {
                out.push(flags | OTHER_START);
                push(out, zigzag(difference));
            }
        }
    }
}

fn same_layout<C: BucketCount>(a: &Histogram<C>, b: &Histogram<C>) -> bool {
    let bits = |bounds: &[f64]| bounds.iter().map(|bound| bound.to_bits()).collect::<Vec<_>>();
    a.schema == b.schema
        && a.zero_threshold.to_bits() == b.zero_threshold.to_bits()
        && a.positive.same_layout(&b.positive)
        && a.negative.same_layout(&b.negative)
        && (Arc::ptr_eq(&a.custom_bounds, &b.custom_bounds)
            || bits(&a.custom_bounds) == bits(&b.custom_bounds))
}

fn numbers<C: Difference>(histogram: &Histogram<C>) -> impl Iterator<Item = C> {
    let totals = [histogram.count, histogram.zero_count];
    let buckets = histogram.positive.counts().iter().chain(histogram.negative.counts());
    totals.into_iter().chain(buckets.copied())
}

fn differences<C: Difference>(now: &Histogram<C>, before: &Histogram<C>, start: Start, out: &mut Vec<u8>) {
    let same_sum = now.sum.to_bits() == before.sum.to_bits();
    let sum_flag = if same_sum { SAME_SUM } else { 0 };
    start.put(SAME_LAYOUT | sum_flag | (now.reset_hint as u8) << HINT_SHIFT, out);
    if !same_sum {
        out.extend_from_slice(&now.sum.to_bits().to_le_bytes());
    }
    let mut zeros = 0_u64;
    for (now, before) in numbers(now).zip(numbers(before)) {
        match now.minus(before) {
            0 => zeros += 1,
            difference => {
                put_zeros(&mut zeros, out);
                push(out, difference);
            }
        }
    }
    put_zeros(&mut zeros, out);
}

fn put_zeros(zeros: &mut u64, out: &mut Vec<u8>) {
    if let Some(more) = std::mem::take(zeros).checked_sub(1) {
        push(out, 0);
        push(out, more);
    }
}

/// A run of histograms that no longer changes.
#[derive(Clone, Debug)]
pub(super) struct SealedHistograms {
    bytes: Arc<[u8]>,
    span: TimeRange,
    count: u32,
    weight: usize,
}

impl SealedHistograms {
    /// Packs histograms of strictly ascending times.
    pub(super) fn pack(samples: Vec<HistogramSample>) -> Self {
        let mut open = OpenHistograms::default();
        samples.into_iter().for_each(|sample| open.push(sample));
        open.snapshot()
    }

    /// The span of its times.
    pub(super) fn span(&self) -> TimeRange {
        self.span
    }

    /// How many floats take about as much memory as its histograms unpacked.
    pub(super) fn weight(&self) -> usize {
        self.weight
    }

    /// Bytes of memory.
    pub(super) fn heap_size(&self) -> usize {
        self.bytes.len() + 16
    }

    /// Appends the histograms within a range to `out`; those of one layout share it.
    pub(super) fn read_into(&self, range: TimeRange, out: &mut Vec<HistogramSample>) {
        let mut reader = Reader(&self.bytes);
        let (mut at, mut delta, mut start, mut last) = (self.span.start, 0_i64, NO_START, None);
        for number in 0..self.count {
            if number > 0 {
                let Some(change) = reader.number() else { break };
                delta = delta.wrapping_add(unzigzag(change));
                at = at.wrapping_add(delta);
            }
            let read = read(&mut reader, last.as_ref()).filter(|_| at <= range.end);
            let Some((histogram, other_start)) = read else {
                break;
            };
            start = start.wrapping_add(other_start);
            if at >= range.start {
                out.push(HistogramSample { timestamp: at, histogram: histogram.clone(), start });
            }
            last = Some(histogram);
        }
    }
}

/// A histogram, and the difference to the start timestamp before.
fn read(reader: &mut Reader<'_>, before: Option<&NativeHistogram>) -> Option<(NativeHistogram, i64)> {
    let flags = reader.byte()?;
    let start = if flags & OTHER_START == 0 { 0 } else { unzigzag(reader.number()?) };
    let histogram = match before {
        _ if flags & SAME_LAYOUT == 0 => decode_histogram(reader)?,
        Some(NativeHistogram::Integer(before)) => following(before, flags, reader)?.into(),
        Some(NativeHistogram::Float(before)) => following(before, flags, reader)?.into(),
        None => return None,
    };
    Some((histogram, start))
}

fn following<C: Difference>(
    before: &Histogram<C>,
    flags: u8,
    reader: &mut Reader<'_>,
) -> Option<Histogram<C>> {
    let sum = match flags & SAME_SUM {
        0 => f64::from_bits(u64::from_le_bytes(*reader.take(8)?.first_chunk()?)),
        _ => before.sum,
    };
    let mut zeros = 0_u64;
    let mut next = || {
        if let Some(fewer) = zeros.checked_sub(1) {
            zeros = fewer;
            return Some(0);
        }
        let difference = reader.number()?;
        if difference == 0 {
            zeros = reader.number()?;
        }
        Some(difference)
    };
    let (count, zero_count) = (before.count.plus(next()?), before.zero_count.plus(next()?));
    let mut side = |buckets: &Buckets<C>| {
        let counts: Option<Vec<C>> = buckets.counts().iter().map(|count| Some(count.plus(next()?))).collect();
        Some(Buckets::from_layout(buckets.layout(), counts?))
    };
    Some(Histogram {
        schema: before.schema,
        zero_threshold: before.zero_threshold,
        custom_bounds: Arc::clone(&before.custom_bounds),
        reset_hint: ResetHint::from_wire(i32::from(flags >> HINT_SHIFT & 3)),
        sum,
        count,
        zero_count,
        positive: side(&before.positive)?,
        negative: side(&before.negative)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A latency histogram as a busy service has it: 46 buckets, a few of which grow from scrape to scrape.
    #[test]
    fn a_growing_histogram_packs_into_little() {
        let noise = |n: u64| n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33;
        let mut counts = vec![1000_u64; 46];
        let mut samples = Vec::new();
        for at in 0..200_u64 {
            for (bucket, count) in (0..).zip(&mut counts) {
                *count += if noise(at * 64 + bucket) % 3 == 0 { noise(at + bucket) % 40 } else { 0 };
            }
            let histogram = Histogram {
                schema: 3,
                count: counts.iter().sum(),
                sum: noise(at) as f64 / 7.0,
                positive: Buckets::from_pairs((-20..).zip(counts.iter().copied())),
                ..Histogram::default()
            };
            let timestamp = 1_700_000_000_000 + at as i64 * 15_000;
            samples.push(HistogramSample::new(timestamp, histogram.into()));
        }
        let packed = SealedHistograms::pack(samples.clone());
        let bytes = packed.heap_size() / samples.len();
        println!("{bytes} bytes a histogram");
        assert!(bytes < 60, "{bytes}");
        let mut read = Vec::new();
        packed.read_into(TimeRange::ALL, &mut read);
        assert_eq!(read, samples);
        let layout = |sample: &HistogramSample| match &sample.histogram {
            NativeHistogram::Integer(histogram) => Arc::clone(histogram.positive.layout()),
            NativeHistogram::Float(_) => panic!("integer"),
        };
        assert!(Arc::ptr_eq(&layout(&read[0]), &layout(&read[199])));
    }
}
