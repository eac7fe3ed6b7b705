//! The windows of a series.

use super::windows::RollupWindows;
use super::{FloatRollups, HistogramRollup, coarsen, fold, histogram};
use crate::{Labels, SeriesSamples, TimestampMs, is_stale};

/// A series with its windows. A window that has samples of both kinds is in both lists.
#[derive(Clone, Debug, Default)]
pub struct SeriesRollups {
    /// Which series.
    pub labels: Labels,
    /// Its windows with floats, ascending.
    pub floats: FloatRollups,
    /// Its windows with native histograms, ascending.
    pub histograms: Vec<HistogramRollup>,
}

impl SeriesRollups {
    /// The windows of a series' samples.
    #[must_use]
    pub fn of(series: &SeriesSamples, windows: RollupWindows) -> Self {
        let mut floats = fold::fold(&series.timestamps, &series.values, windows);
        let mut histograms = histogram::fold(&series.histograms, windows);
        if !floats.is_empty() && !series.histograms.is_empty() {
            let markers = series.histograms.iter().filter(|sample| sample.histogram.is_stale());
            mark_floats(&mut floats, markers.map(|sample| sample.timestamp), windows);
        }
        if !histograms.is_empty() {
            let markers = series.samples().filter(|sample| is_stale(sample.value));
            mark_histograms(&mut histograms, markers.map(|sample| sample.timestamp), windows);
        }
        Self { labels: series.labels.clone(), floats, histograms }
    }

    /// The longer windows of its windows: the same that the samples would give, but for the last digits of `sum` and,
    /// where there are several resets in a window, of `correction`. All columns must be there.
    #[must_use]
    pub fn coarsened(&self, windows: RollupWindows) -> Self {
        Self {
            labels: self.labels.clone(),
            floats: coarsen::floats(&self.floats, windows),
            histograms: coarsen::histograms(&self.histograms, windows),
        }
    }

    /// Whether it has no window.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.floats.is_empty() && self.histograms.is_empty()
    }

    /// How many floats take about as much memory as its windows.
    #[must_use]
    pub fn weight(&self) -> usize {
        let of_native = |window: &HistogramRollup| window.first.buckets() + window.last.buckets();
        let of_sums = |window: &HistogramRollup| {
            let sums = window.correction.iter().chain(&window.sum);
            sums.map(|sum| sum.positive.len() + sum.negative.len() + 10).sum::<usize>()
        };
        let histograms = self.histograms.iter().map(|window| 26 + of_native(window) + of_sums(window));
        self.floats.weight() + histograms.sum::<usize>()
    }
}

/// Notes markers of the other kind.
fn mark_floats(
    floats: &mut FloatRollups,
    markers: impl Iterator<Item = TimestampMs>,
    windows: RollupWindows,
) {
    for marker in markers {
        let Ok(window) = floats.ends.binary_search(&windows.end_of(marker)) else { continue };
        if let (Some(&last), Some(stale)) = (floats.last_at.get(window), floats.stale.get_mut(window)) {
            *stale |= fold::makes_stale(last, marker);
        }
    }
}

/// The same for histograms.
fn mark_histograms(
    histograms: &mut [HistogramRollup],
    markers: impl Iterator<Item = TimestampMs>,
    windows: RollupWindows,
) {
    for marker in markers {
        let end = windows.end_of(marker);
        let window = histograms.binary_search_by_key(&end, |window| window.end).ok();
        if let Some(window) = window.and_then(|window| histograms.get_mut(window)) {
            window.is_stale |= fold::makes_stale(window.last_at, marker);
        }
    }
}
