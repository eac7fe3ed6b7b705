//! Windows of native histograms.

use std::sync::Arc;

use super::fold::makes_stale;
use super::windows::RollupWindows;
use crate::histogram::{HistogramTotal, ResetHint};
use crate::{FloatHistogram, HistogramSample, NativeHistogram, TimestampMs};

/// What a window's native histograms come to. There is at least one that is no stale marker.
#[derive(Clone, Debug, PartialEq)]
pub struct HistogramRollup {
    /// The window's end, which is its label.
    pub end: TimestampMs,
    /// How many histograms, at least one.
    pub count: u64,
    /// The time of the first one.
    pub first_at: TimestampMs,
    /// The time of the last one.
    pub last_at: TimestampMs,
    /// The first one, as it was stored; its reset hint is about the one before, in an earlier window.
    pub first: NativeHistogram,
    /// The last one, as it was stored.
    pub last: NativeHistogram,
    /// The sum of those before each counter reset inside the window, as `rate` finds them; none without any. None, too,
    /// where there is no `sum`: then there is no rate either.
    pub correction: Option<Arc<FloatHistogram>>,
    /// The sum, compensated, as `sum_over_time` gives it; none where exponential and custom buckets are mixed.
    pub sum: Option<Arc<FloatHistogram>>,
    /// As [`FloatRollup::is_stale`](super::FloatRollup::is_stale).
    pub is_stale: bool,
}

/// A window that histograms still come to.
struct Open {
    /// All but `correction` and `sum`.
    window: HistogramRollup,
    /// The last one with float counts.
    last: Arc<FloatHistogram>,
    correction: Correction,
    sum: Option<HistogramTotal>,
}

/// A sum of histograms before resets.
#[derive(Default)]
pub(super) struct Correction(Option<FloatHistogram>);

impl Correction {
    pub(super) fn add(&mut self, histogram: &FloatHistogram) {
        self.0 = match self.0.take() {
            None => Some(histogram.clone()),
            // Where they cannot be added, neither can all of the window's: its correction counts for nothing.
            Some(sum) => sum.add(histogram).ok().map(|(sum, _)| sum),
        };
    }

    /// The correction of a window with this sum. It says nothing of resets, which it is about itself.
    pub(super) fn beside(self, sum: Option<&HistogramTotal>) -> Option<Arc<FloatHistogram>> {
        let correction = self.0.filter(|_| sum.is_some())?;
        Some(Arc::new(FloatHistogram { reset_hint: ResetHint::Unknown, ..correction }))
    }
}

impl Open {
    fn new(end: TimestampMs, sample: &HistogramSample) -> Self {
        let last = sample.histogram.to_float();
        Self {
            window: HistogramRollup {
                end,
                count: 1,
                first_at: sample.timestamp,
                last_at: sample.timestamp,
                first: sample.histogram.clone(),
                last: sample.histogram.clone(),
                correction: None,
                sum: None,
                is_stale: false,
            },
            sum: Some(HistogramTotal::new(&last)),
            correction: Correction::default(),
            last,
        }
    }

    fn add(&mut self, sample: &HistogramSample) {
        let next = sample.histogram.to_float();
        if next.is_reset_after(&self.last) {
            self.correction.add(&self.last);
        }
        if self.sum.as_mut().is_some_and(|sum| sum.add(&next).is_err()) {
            self.sum = None;
        }
        self.last = next;
        self.window.count += 1;
        self.window.last = sample.histogram.clone();
        (self.window.last_at, self.window.is_stale) = (sample.timestamp, false);
    }

    fn close(self) -> HistogramRollup {
        HistogramRollup {
            correction: self.correction.beside(self.sum.as_ref()),
            sum: self.sum.map(|sum| Arc::new(sum.finish())),
            ..self.window
        }
    }
}

/// The windows of histograms in ascending order of time.
pub(super) fn fold(samples: &[HistogramSample], windows: RollupWindows) -> Vec<HistogramRollup> {
    let mut out = Vec::new();
    let mut open: Option<Open> = None;
    for sample in samples {
        match &mut open {
            open if sample.histogram.is_stale() => {
                if let Some(open) = open {
                    open.window.is_stale |= makes_stale(open.window.last_at, sample.timestamp);
                }
            }
            Some(open) if sample.timestamp <= open.window.end => open.add(sample),
            _ => {
                let next = Open::new(windows.end_of(sample.timestamp), sample);
                out.extend(open.replace(next).map(Open::close));
            }
        }
    }
    out.extend(open.map(Open::close));
    out
}
