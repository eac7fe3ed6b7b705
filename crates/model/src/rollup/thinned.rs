//! Windows cut to a range, and what is left of them for whoever reads samples.

use std::sync::Arc;

use super::SeriesRollups;
use crate::{HistogramSample, SeriesSamples, StartTimestamps, TimeRange};

impl SeriesRollups {
    /// The windows whose ends lie in a range.
    #[must_use]
    pub fn within(self, range: TimeRange) -> Self {
        let Self { labels, floats, mut histograms } = self;
        let start = floats.ends.partition_point(|&end| end < range.start);
        let end = floats.ends.partition_point(|&end| end <= range.end);
        let floats = match start == 0 && end == floats.len() {
            true => floats,
            false => floats.slice(start..end.max(start)),
        };
        histograms.retain(|window| range.contains(window.end));
        Self { labels, floats, histograms }
    }

    /// Of each window its last sample, at its own time: what a reader of samples makes of a series that only its windows
    /// are left of. Without stale markers and start timestamps. [`FloatRollups::lasts`](super::FloatRollups::lasts) and
    /// [`FloatRollups::last_at`](super::FloatRollups::last_at) must be there.
    #[must_use]
    pub fn thinned(&self) -> SeriesSamples {
        let is_there = self.floats.lasts.len() == self.floats.last_at.len();
        let (timestamps, values) = match is_there {
            true => (Arc::clone(&self.floats.last_at), self.floats.lasts.clone()),
            false => (Arc::default(), Vec::new()),
        };
        // What came before a sample in its window is gone, and with it what a hint was about.
        let last = |window: &super::HistogramRollup| {
            HistogramSample::new(window.last_at, window.last.clone().without_hint())
        };
        let mut thinned = SeriesSamples {
            labels: self.labels.clone(),
            timestamps,
            values,
            starts: StartTimestamps::none(),
            histograms: self.histograms.iter().map(last).collect(),
        };
        thinned.resolve_kinds();
        thinned
    }
}
