//! From float samples to windows: one pass.

use super::compensated::CompensatedSum;
use super::float::{FloatRollup, FloatRollups, FloatRollupsBuilder};
use super::windows::RollupWindows;
use crate::{TimestampMs, is_stale};

/// A window that samples still come to.
struct Open {
    /// All but `sum`.
    window: FloatRollup,
    sum: CompensatedSum,
}

impl Open {
    fn new(end: TimestampMs, at: TimestampMs, value: f64) -> Self {
        let mut sum = CompensatedSum::default();
        sum.add(value);
        Self { window: FloatRollup::one(end, at, value), sum }
    }

    #[inline]
    fn add(&mut self, at: TimestampMs, value: f64) {
        let window = &mut self.window;
        self.sum.add(value);
        window.count += 1;
        window.min = lesser(window.min, value);
        window.max = greater(window.max, value);
        if value < window.last {
            window.correction += window.last;
        }
        (window.last, window.last_at, window.is_stale) = (value, at, false);
    }

    fn close(self) -> FloatRollup {
        FloatRollup { sum: self.sum.value(), ..self.window }
    }
}

/// The lesser of two values, of equal ones the first; any number before NaN, of two NaNs the second: `min_over_time`'s
/// rule, whichever way values are grouped.
#[inline]
#[must_use]
pub fn lesser(a: f64, b: f64) -> f64 {
    if b < a || a.is_nan() { b } else { a }
}

/// The greater of two values, of equal ones the first; any number before NaN, of two NaNs the second:
/// `max_over_time`'s rule.
#[inline]
#[must_use]
pub fn greater(a: f64, b: f64) -> f64 {
    if b > a || a.is_nan() { b } else { a }
}

/// Whether a marker at `marker` makes a sample at `last_at` stale: it follows in the same five minutes.
pub(super) fn makes_stale(last_at: TimestampMs, marker: TimestampMs) -> bool {
    last_at < marker && RollupWindows::FINEST.contains(RollupWindows::FINEST.end_of(last_at), marker)
}

/// The windows of samples in ascending order of time.
pub(super) fn fold(times: &[TimestampMs], values: &[f64], windows: RollupWindows) -> FloatRollups {
    let mut out = FloatRollupsBuilder::with_capacity(windows_at_most(times, windows));
    let mut open: Option<Open> = None;
    for (&at, &value) in times.iter().zip(values) {
        match &mut open {
            Some(open) if at <= open.window.end && !is_stale(value) => open.add(at, value),
            _ if is_stale(value) => {
                if let Some(open) = &mut open {
                    open.window.is_stale |= makes_stale(open.window.last_at, at);
                }
            }
            _ => {
                let next = Open::new(windows.end_of(at), at, value);
                out.extend(open.replace(next));
            }
        }
    }
    out.extend(open);
    out.finish()
}

impl FloatRollupsBuilder {
    fn extend(&mut self, closed: Option<Open>) {
        if let Some(open) = closed {
            self.push(&open.close());
        }
    }
}

/// How many windows samples can have: for the memory that is taken at once.
fn windows_at_most(times: &[TimestampMs], windows: RollupWindows) -> usize {
    let (Some(&first), Some(&last)) = (times.first(), times.last()) else { return 0 };
    let spanned = last.saturating_sub(first) / windows.millis() + 2;
    usize::try_from(spanned).map_or(times.len(), |spanned| spanned.min(times.len()))
}
