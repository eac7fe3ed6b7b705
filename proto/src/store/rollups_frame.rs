//! Batches of windows and the frames in which they are sent.

use std::sync::Arc;

use latewood_model::{
    FloatHistogram, FloatRollups, HistogramRollup, HistogramSample, NativeHistogram, SeriesRollups,
    TimestampMs,
};

use super::frame::{FrameReader, FrameTables, FrameWriter, broken};
use super::wire::{FloatWindows, HistogramWindows, Histograms, RollupSeries, RollupsFrame};
use super::{SelectBatch, StoreError};

/// A batch as it is sent.
pub(super) fn frame_of_rollups(batch: SelectBatch<SeriesRollups>) -> RollupsFrame {
    let mut writer = FrameWriter::default();
    let series = batch.series.into_iter().map(|series| RollupSeries {
        labels: writer.labels(&series.labels),
        floats: floats_to_wire(series.floats, &mut writer),
        histograms: histograms_to_wire(&series.histograms, &mut writer),
    });
    let series = series.collect();
    let FrameTables { symbols, times, layouts } = writer.finish();
    let SelectBatch { newest_version, bucket, .. } = batch;
    RollupsFrame { symbols, times, series, newest_version, layouts, bucket }
}

fn floats_to_wire(floats: FloatRollups, writer: &mut FrameWriter) -> Option<FloatWindows> {
    if floats.is_empty() {
        return None;
    }
    let mut times = |column: Arc<[TimestampMs]>| (!column.is_empty()).then(|| writer.times(column));
    Some(FloatWindows {
        first_at: times(floats.first_at),
        last_at: times(floats.last_at),
        ends: writer.times(floats.ends),
        counts: floats.counts,
        sums: floats.sums,
        mins: floats.mins,
        maxs: floats.maxs,
        firsts: floats.firsts,
        lasts: floats.lasts,
        corrections: floats.corrections,
        stale: floats.stale,
    })
}

fn histograms_to_wire(windows: &[HistogramRollup], writer: &mut FrameWriter) -> Option<HistogramWindows> {
    if windows.is_empty() {
        return None;
    }
    let mut columns = |of: fn(&HistogramRollup) -> Option<NativeHistogram>| {
        let samples = windows.iter().filter_map(|window| Some(HistogramSample::new(window.end, of(window)?)));
        writer.histograms(&samples.collect::<Vec<_>>())
    };
    Some(HistogramWindows {
        lasts: columns(|window| Some(window.last.clone())),
        firsts: columns(|window| Some(window.first.clone())),
        corrections: columns(|window| window.correction.clone().map(NativeHistogram::Float)),
        sums: columns(|window| window.sum.clone().map(NativeHistogram::Float)),
        counts: windows.iter().map(|window| window.count).collect(),
        first_at: writer.times(windows.iter().map(|window| window.first_at).collect()),
        last_at: writer.times(windows.iter().map(|window| window.last_at).collect()),
        stale: windows.iter().map(|window| window.is_stale).collect(),
    })
}

/// A batch as it was sent.
///
/// # Errors
/// `Corrupt` when the frame's references lead nowhere, its columns differ in length or its times do not ascend.
pub(super) fn rollups_of_frame(frame: RollupsFrame) -> Result<SelectBatch<SeriesRollups>, StoreError> {
    let RollupsFrame { symbols, times, series, newest_version, layouts, bucket } = frame;
    let reader = FrameReader::new(FrameTables { symbols, times, layouts })?;
    if !reader.all_times().iter().all(|times| times.is_sorted_by(|a, b| a < b)) {
        return Err(broken("the times of windows do not ascend"));
    }
    let decode = |series: RollupSeries| {
        Ok(SeriesRollups {
            labels: reader.labels(&series.labels)?,
            floats: series
                .floats
                .map_or(Ok(FloatRollups::default()), |sent| floats_from_wire(sent, &reader))?,
            histograms: series
                .histograms
                .map_or(Ok(Vec::new()), |sent| histograms_from_wire(&sent, &reader))?,
        })
    };
    let series: Result<_, StoreError> = series.into_iter().map(decode).collect();
    Ok(SelectBatch { series: series?, newest_version, bucket })
}

fn floats_from_wire(sent: FloatWindows, reader: &FrameReader) -> Result<FloatRollups, StoreError> {
    let times = |reference: u32| reader.times(reference).map(Arc::clone).ok_or_else(no_times);
    let figures = [&sent.sums, &sent.mins, &sent.maxs, &sent.firsts, &sent.lasts, &sent.corrections];
    let lengths: Vec<usize> = figures.iter().map(|column| column.len()).collect();
    let floats = FloatRollups {
        ends: times(sent.ends)?,
        first_at: sent.first_at.map_or(Ok(Arc::default()), times)?,
        last_at: sent.last_at.map_or(Ok(Arc::default()), times)?,
        counts: sent.counts,
        sums: sent.sums,
        mins: sent.mins,
        maxs: sent.maxs,
        firsts: sent.firsts,
        lasts: sent.lasts,
        corrections: sent.corrections,
        stale: sent.stale,
    };
    let others = [floats.first_at.len(), floats.last_at.len(), floats.counts.len(), floats.stale.len()];
    let fits = |length: &usize| *length == 0 || *length == floats.len();
    if !lengths.iter().chain(&others).all(fits) {
        return Err(broken("columns of windows differ in length"));
    }
    match floats.counts.contains(&0) {
        true => Err(no_samples()),
        false => Ok(floats),
    }
}

fn histograms_from_wire(
    sent: &HistogramWindows,
    reader: &FrameReader,
) -> Result<Vec<HistogramRollup>, StoreError> {
    let times = |reference: u32| reader.times(reference).ok_or_else(no_times);
    let (first_at, last_at) = (times(sent.first_at)?, times(sent.last_at)?);
    let columns = |sent: &Option<Histograms>| Ok(AtEnds::new(reader.histograms(sent.as_ref())?));
    let lasts = reader.histograms(sent.lasts.as_ref())?;
    let (mut firsts, mut corrections, mut sums) =
        (columns(&sent.firsts)?, columns(&sent.corrections)?, columns(&sent.sums)?);
    if [first_at.len(), last_at.len(), sent.counts.len(), sent.stale.len()] != [lasts.len(); 4] {
        return Err(broken("columns of windows differ in length"));
    }
    if sent.counts.contains(&0) {
        return Err(no_samples());
    }
    let rest = first_at.iter().zip(last_at.iter()).zip(sent.counts.iter().zip(&sent.stale));
    let window = |(last, ((&first_at, &last_at), (&count, &is_stale))): (HistogramSample, _)| {
        let end = last.timestamp;
        Ok(HistogramRollup {
            end,
            count,
            first_at,
            last_at,
            first: firsts.at(end).ok_or_else(|| broken("a window of histograms has no first one"))?,
            last: last.histogram,
            correction: corrections.float_at(end)?,
            sum: sums.float_at(end)?,
            is_stale,
        })
    };
    let windows = lasts.into_iter().zip(rest).map(window).collect::<Result<Vec<_>, StoreError>>()?;
    match [firsts, corrections, sums].iter_mut().any(|column| column.0.next().is_some()) {
        true => Err(broken("a histogram belongs to no window")),
        false => Ok(windows),
    }
}

fn no_times() -> StoreError {
    broken("windows refer to no times")
}

fn no_samples() -> StoreError {
    broken("a window has no samples")
}

/// Histograms by the ends of their windows, ascending.
struct AtEnds(std::iter::Peekable<std::vec::IntoIter<HistogramSample>>);

impl AtEnds {
    fn new(histograms: Vec<HistogramSample>) -> Self {
        Self(histograms.into_iter().peekable())
    }

    fn at(&mut self, end: TimestampMs) -> Option<NativeHistogram> {
        self.0.next_if(|sample| sample.timestamp == end).map(|sample| sample.histogram)
    }

    fn float_at(&mut self, end: TimestampMs) -> Result<Option<Arc<FloatHistogram>>, StoreError> {
        match self.at(end) {
            Some(NativeHistogram::Integer(_)) => Err(broken("a sum of histograms has integer counts")),
            Some(NativeHistogram::Float(histogram)) => Ok(Some(histogram)),
            None => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests;
