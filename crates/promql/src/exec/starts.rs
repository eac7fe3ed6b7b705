//! The start timestamps of a series' samples, as windows take them.

use latewood_model::{HistogramSample, NO_START, StartTimestamps, TimestampMs};

use crate::functions::WindowStarts;

/// One for each sample, of each kind; or nothing, if no sample has any or the query does not look at them.
#[derive(Debug, Default)]
pub(super) struct SeriesStarts {
    floats: Vec<TimestampMs>,
    histograms: Vec<TimestampMs>,
}

impl SeriesStarts {
    /// Of floats at these times and of these histograms.
    pub(super) fn of<'a>(
        times: &[TimestampMs],
        starts: &StartTimestamps,
        histograms: impl Iterator<Item = &'a HistogramSample> + Clone,
    ) -> Self {
        let mut out = Self::default();
        if !starts.is_empty() {
            let mut starts = starts.cursor();
            out.floats = times.iter().map(|&at| starts.at(at)).collect();
        }
        if histograms.clone().any(|sample| sample.start != NO_START) {
            out.histograms = histograms.map(|sample| sample.start).collect();
        }
        out
    }

    /// Whether no sample has any, or nobody looks.
    pub(super) fn is_empty(&self) -> bool {
        self.floats.is_empty() && self.histograms.is_empty()
    }

    /// Those of a window, given by the numbers of its samples.
    pub(super) fn within(&self, floats: (usize, usize), histograms: (usize, usize)) -> WindowStarts<'_> {
        WindowStarts {
            floats: self.floats.get(floats.0..floats.1).unwrap_or_default(),
            histograms: self.histograms.get(histograms.0..histograms.1).unwrap_or_default(),
        }
    }
}
