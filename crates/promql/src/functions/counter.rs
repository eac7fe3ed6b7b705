//! `resets` and `changes`.

use crate::annotations::CallContext;
use crate::functions::Window;
use crate::functions::starts::Started;

/// `resets`: how often a value is below the one before it, or started behind it.
#[allow(clippy::cast_precision_loss)] // a window has fewer than 2^53 samples
pub(super) fn resets(window: &Window<'_>, _: &[f64], _: &mut CallContext) -> Option<f64> {
    if window.starts.floats.is_empty() {
        return count_pairs(window, |before, value| value < before);
    }
    window.first()?;
    let at = |place| Started::at(window.timestamps, window.starts.floats, place);
    let pairs = window.values.windows(2).enumerate();
    let is_reset = |place: usize, pair: &[f64]| pair[1] < pair[0] || at(place + 1).is_reset_after(at(place));
    Some(pairs.filter(|(place, pair)| is_reset(*place, pair)).count() as f64)
}

/// `changes`: how often a value differs from the one before it; NaN equals NaN.
pub(super) fn changes(window: &Window<'_>, _: &[f64], _: &mut CallContext) -> Option<f64> {
    count_pairs(window, |before, value| value != before && !(value.is_nan() && before.is_nan()))
}

#[allow(clippy::cast_precision_loss)] // a window has fewer than 2^53 samples
fn count_pairs(window: &Window<'_>, counts: impl Fn(f64, f64) -> bool) -> Option<f64> {
    window.first()?;
    let pairs = window.values.windows(2);
    Some(pairs.filter(|pair| counts(pair[0], pair[1])).count() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_counted() {
        let values = [1.0, 2.0, 2.0, 1.0, f64::NAN, f64::NAN, 0.0];
        let window = Window {
            timestamps: &[1, 2, 3, 4, 5, 6, 7],
            values: &values,
            start: 0,
            end: 7,
            step_time: 7,
            ..Window::default()
        };
        let mut ctx = CallContext::default();
        assert_eq!(resets(&window, &[], &mut ctx), Some(1.0));
        assert_eq!(changes(&window, &[], &mut ctx), Some(4.0));
        let one = Window { timestamps: &[1], values: &[1.0], ..window };
        assert_eq!(resets(&one, &[], &mut ctx), Some(0.0));
        let none = Window { timestamps: &[], values: &[], ..window };
        assert_eq!(changes(&none, &[], &mut ctx), None);
    }
}
