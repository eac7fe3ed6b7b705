//! Replicas put together, segment by segment.

use std::ops::Range;

use latewood_model::dedup::{Deduplicator, Segment};
use latewood_model::{HistogramSample, Labels, SeriesSamples, StartTimestamps, TimeRange};

use super::share::Share;
use crate::metrics::DedupMetrics;

/// Puts the replicas of a share together. What it saw is counted when it goes.
pub(super) struct Merging {
    share: Share,
    /// Of the only segment; it remembers what series that were scraped together have in common.
    deduplicator: Deduplicator,
    metrics: DedupMetrics,
}

impl Merging {
    pub(super) fn new(share: Share, metrics: DedupMetrics) -> Self {
        let from = share.segments.first().map_or(i64::MIN, |segment| segment.range.start);
        Self { share, deduplicator: Deduplicator::new(from), metrics }
    }

    /// The one series of replicas in their rank; none if nothing is left of them.
    pub(super) fn merge(&mut self, labels: Labels, replicas: Vec<SeriesSamples>) -> Option<SeriesSamples> {
        let series = match self.share.is_single() {
            true => self.deduplicator.merge(labels, replicas),
            false => {
                joined(labels.clone(), self.share.segments.iter().map(|one| self.of(one, &labels, &replicas)))
            }
        };
        (!series.is_empty()).then_some(series)
    }

    fn of(&self, segment: &Segment, labels: &Labels, replicas: &[SeriesSamples]) -> SeriesSamples {
        let known = replicas.iter().map(|series| piece(series, segment.wide()));
        let known = known.filter(|series| !series.is_empty()).collect();
        let mut deduplicator = Deduplicator::new(segment.range.start);
        let one = deduplicator.merge(labels.clone(), known);
        self.metrics.add(deduplicator.tally());
        one
    }

    /// Series as they came, less what is before or between the segments.
    pub(super) fn cut(&self, all: Vec<SeriesSamples>) -> Vec<SeriesSamples> {
        let ranges = || self.share.segments.iter().map(|segment| segment.range);
        let cut = |series: SeriesSamples| match self.share.segments.as_slice() {
            [only] => series.within(only.range),
            _ => joined(series.labels.clone(), ranges().map(|range| piece(&series, range))),
        };
        all.into_iter().map(cut).filter(|series| !series.is_empty()).collect()
    }
}

impl Drop for Merging {
    fn drop(&mut self) {
        self.metrics.add(self.deduplicator.tally());
    }
}

/// What a series has in a range.
fn piece(series: &SeriesSamples, range: TimeRange) -> SeriesSamples {
    let floats = places(&series.timestamps, range, |at| *at);
    let histograms = places(&series.histograms, range, |sample| sample.timestamp);
    SeriesSamples {
        labels: series.labels.clone(),
        timestamps: series.timestamps.get(floats.clone()).unwrap_or_default().into(),
        values: series.values.get(floats).unwrap_or_default().to_vec(),
        starts: series.starts.clone(),
        histograms: series.histograms.get(histograms).unwrap_or_default().to_vec(),
    }
}

fn places<T>(all: &[T], range: TimeRange, time: impl Fn(&T) -> i64) -> Range<usize> {
    let start = all.partition_point(|one| time(one) < range.start);
    start..all.partition_point(|one| time(one) <= range.end).max(start)
}

/// One series of pieces that follow each other.
fn joined(labels: Labels, pieces: impl Iterator<Item = SeriesSamples>) -> SeriesSamples {
    let (mut timestamps, mut values, mut starts) = (Vec::new(), Vec::new(), StartTimestamps::none());
    let mut histograms: Vec<HistogramSample> = Vec::new();
    for piece in pieces {
        piece.timestamps.first().into_iter().for_each(|first| starts.append(*first, &piece.starts));
        timestamps.extend_from_slice(&piece.timestamps);
        values.extend(piece.values);
        let mut behind = piece.histograms.into_iter();
        // What it says of resets is about the one before, which may have been another's.
        let first =
            behind.next().map(|first| HistogramSample { histogram: first.histogram.without_hint(), ..first });
        histograms.extend(first.into_iter().chain(behind));
    }
    SeriesSamples { labels, timestamps: timestamps.into(), values, starts, histograms }
}
