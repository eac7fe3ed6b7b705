//! A select of windows as a stream: as one of samples, but for what is made of the pages.

use std::sync::Arc;

use futures::StreamExt;
use futures::stream::{self, BoxStream};
use latewood_model::{
    FloatHistogram, FloatRollups, HistogramRollup, HistogramSample, JoinedTimes, Labels, NativeHistogram,
    Resolution, SeriesRollups, TimestampMs,
};

use super::RollupSpec;
use super::block::Block;
use super::plan::{Batch, Piece, pieces};
use super::select::{Fill, stream_of};
use crate::schema::{HISTOGRAMS, SPANS};
use crate::span::{Kind, Role};
use crate::{BlockError, ReaderConfig};

/// The stream of a select of windows.
pub(super) fn select(
    block: Arc<Block>,
    spec: RollupSpec,
    bounds: ReaderConfig,
) -> BoxStream<'static, Result<Vec<SeriesRollups>, BlockError>> {
    let resolution = block.meta().resolution;
    if resolution == Resolution::Raw {
        let error = BlockError::Resolution { id: block.meta().id, resolution, wanted: "windows" };
        return stream::iter([Err(error)]).boxed();
    }
    stream_of(block, spec, bounds, windows)
}

/// The series of a batch with their windows.
fn windows(mut fill: Fill<'_>, batch: &Batch) -> Result<Vec<SeriesRollups>, BlockError> {
    let mut out = Vec::with_capacity(batch.series.len());
    for &number in &batch.series {
        if fill.wanted.only_labels {
            let labels = fill.tables.series.labels(number as usize);
            out.push(SeriesRollups { labels, ..SeriesRollups::default() });
            continue;
        }
        let mut series = Pieces::default();
        pieces(number, fill.wanted, fill.tables).try_for_each(|piece| series.add(&mut fill, &piece))?;
        if !series.is_empty() {
            let labels = fill.tables.series.labels(number as usize);
            out.push(series.assemble(labels)?);
        }
    }
    Ok(out)
}

/// What was read of a series.
#[derive(Default)]
struct Pieces {
    floats: FloatRollups,
    /// Windows of histograms: ends, counts, times, staleness.
    heads: FloatRollups,
    first: Vec<HistogramSample>,
    last: Vec<HistogramSample>,
    correction: Vec<HistogramSample>,
    sum: Vec<HistogramSample>,
}

impl Pieces {
    fn is_empty(&self) -> bool {
        self.floats.is_empty() && self.heads.is_empty()
    }

    fn add(&mut self, fill: &mut Fill<'_>, piece: &Piece) -> Result<(), BlockError> {
        let parts = &fill.block.parts;
        if let (Some(shape), Some(role)) = (&piece.span.shape, piece.span.kind.role()) {
            let mut found = fill.cache.histograms(piece, shape, parts, fill.times, fill.wanted.range)?;
            let all = match role {
                Role::First => &mut self.first,
                Role::Last => &mut self.last,
                Role::Correction => &mut self.correction,
                Role::Sum => &mut self.sum,
            };
            all.append(&mut found);
            return Ok(());
        }
        let found = fill.cache.windows(piece, parts, fill.times, fill.wanted.range)?;
        let all = match piece.span.kind {
            Kind::HistogramRollup => &mut self.heads,
            _ => &mut self.floats,
        };
        join(all, found, fill.cache.joined())
    }

    fn assemble(self, labels: Labels) -> Result<SeriesRollups, BlockError> {
        let (mut first, mut last) = (Labelled::new(self.first), Labelled::new(self.last));
        let (mut correction, mut sum) = (Labelled::new(self.correction), Labelled::new(self.sum));
        let mut histograms = Vec::with_capacity(self.heads.len());
        for (window, &end) in self.heads.ends.iter().enumerate() {
            let missing =
                || BlockError::corrupt(SPANS, "a window of histograms has no last one, or no times");
            let last = last.at(end).ok_or_else(missing)?;
            let whole = || {
                Some(HistogramRollup {
                    end,
                    count: *self.heads.counts.get(window)?,
                    first_at: *self.heads.first_at.get(window)?,
                    last_at: *self.heads.last_at.get(window)?,
                    first: first.at(end).unwrap_or_else(|| last.clone()),
                    last,
                    correction: correction.at(end).and_then(float),
                    sum: sum.at(end).and_then(float),
                    is_stale: *self.heads.stale.get(window)?,
                })
            };
            histograms.push(whole().ok_or_else(missing)?);
        }
        if [&mut first, &mut last, &mut correction, &mut sum].into_iter().any(|rest| !rest.is_at_end()) {
            return Err(BlockError::corrupt(HISTOGRAMS, "a histogram belongs to no window"));
        }
        Ok(SeriesRollups { labels, floats: self.floats, histograms })
    }
}

/// Histograms by the ends of their windows, ascending.
struct Labelled(std::iter::Peekable<std::vec::IntoIter<HistogramSample>>);

impl Labelled {
    fn new(histograms: Vec<HistogramSample>) -> Self {
        Self(histograms.into_iter().peekable())
    }

    fn at(&mut self, end: TimestampMs) -> Option<NativeHistogram> {
        self.0.next_if(|sample| sample.timestamp == end).map(|sample| sample.histogram)
    }

    fn is_at_end(&mut self) -> bool {
        self.0.peek().is_none()
    }
}

fn float(histogram: NativeHistogram) -> Option<Arc<FloatHistogram>> {
    match histogram {
        NativeHistogram::Float(histogram) => Some(histogram),
        NativeHistogram::Integer(_) => None,
    }
}

/// Appends the windows of a later span.
fn join(all: &mut FloatRollups, mut later: FloatRollups, joined: &mut JoinedTimes) -> Result<(), BlockError> {
    let ends = all.ends.last().zip(later.ends.first());
    if ends.is_some_and(|(before, first)| before >= first) {
        return Err(BlockError::corrupt(SPANS, "the windows of a series do not ascend"));
    }
    all.ends = joined.join(&all.ends, &later.ends);
    all.first_at = joined.join(&all.first_at, &later.first_at);
    all.last_at = joined.join(&all.last_at, &later.last_at);
    all.counts.append(&mut later.counts);
    all.sums.append(&mut later.sums);
    all.mins.append(&mut later.mins);
    all.maxs.append(&mut later.maxs);
    all.firsts.append(&mut later.firsts);
    all.lasts.append(&mut later.lasts);
    all.corrections.append(&mut later.corrections);
    all.stale.append(&mut later.stale);
    Ok(())
}
