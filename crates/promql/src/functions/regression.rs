//! `deriv`, `predict_linear`, `double_exponential_smoothing`.

use crate::annotations::CallContext;
use crate::functions::{KahanSum, Window};

/// `deriv`: the slope per second of the least-squares line.
pub(super) fn deriv(window: &Window<'_>, _: &[f64], _: &mut CallContext) -> Option<f64> {
    at_least_two(window)?;
    // A time near the samples keeps the numbers small.
    linear_regression(window, window.first()?.0).map(|line| line.0)
}

/// `predict_linear(m, seconds)`: where the least-squares line is that long after the step.
pub(super) fn predict_linear(window: &Window<'_>, params: &[f64], _: &mut CallContext) -> Option<f64> {
    at_least_two(window)?;
    let ahead = *params.first()?;
    linear_regression(window, window.step_time).map(|(slope, intercept)| slope * ahead + intercept)
}

fn at_least_two(window: &Window<'_>) -> Option<()> {
    (window.values.len() >= 2).then_some(())
}

/// Slope per second and the value at `origin` (milliseconds) of the least-squares line, sums compensated.
#[allow(clippy::cast_precision_loss)] // as upstream: milliseconds of any real time are exact
fn linear_regression(window: &Window<'_>, origin: i64) -> Option<(f64, f64)> {
    let (_, initial) = window.first()?;
    if window.values.iter().all(|value| *value == initial) {
        return Some(if initial.is_infinite() { (f64::NAN, f64::NAN) } else { (0.0, initial) });
    }
    let [mut x_sum, mut y_sum, mut xy_sum, mut x2_sum] = [KahanSum::default(); 4];
    for (time, value) in window.samples() {
        let x = (time - origin) as f64 / 1e3;
        x_sum.add(x);
        y_sum.add(value);
        xy_sum.add(x * value);
        x2_sum.add(x * x);
    }
    let [x_sum, y_sum, xy_sum, x2_sum] = [x_sum, y_sum, xy_sum, x2_sum].map(KahanSum::value);
    let n = window.values.len() as f64;
    let covariance = xy_sum - x_sum * y_sum / n;
    let variance = x2_sum - x_sum * x_sum / n;
    let slope = covariance / variance;
    Some((slope, y_sum / n - slope * x_sum / n))
}

/// `double_exponential_smoothing(m, smoothing, trend)`: Holt's linear method; both factors are in (0, 1), else the
/// query fails.
pub(super) fn double_exponential_smoothing(
    window: &Window<'_>,
    params: &[f64],
    ctx: &mut CallContext,
) -> Option<f64> {
    let &[smoothing, trend_factor] = params else {
        return None;
    };
    for (name, factor) in
        [("smoothing factor. Expected: 0 < sf", smoothing), ("trend factor. Expected: 0 < tf", trend_factor)]
    {
        if factor <= 0.0 || factor >= 1.0 {
            ctx.fail(format!("invalid {name} < 1, got: {factor:.6}"));
            return None;
        }
    }
    let &[first, second, ..] = window.values else {
        return None;
    };
    let (mut before, mut level, mut trend) = (0.0, first, second - first);
    for (index, value) in window.values.iter().enumerate().skip(1) {
        let x = smoothing * value;
        if index > 1 {
            trend = trend_factor * (level - before) + (1.0 - trend_factor) * trend;
        }
        let y = (1.0 - smoothing) * (level + trend);
        (before, level) = (level, x + y);
    }
    Some(level)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMES: [i64; 4] = [0, 10_000, 20_000, 30_000];

    fn window(values: &[f64]) -> Window<'_> {
        Window {
            timestamps: &TIMES[..values.len()],
            values,
            start: -1,
            end: 30_000,
            step_time: 30_000,
            ..Window::default()
        }
    }

    #[test]
    fn a_straight_line_is_found_and_prolonged() {
        let mut ctx = CallContext::default();
        let line = window(&[1.0, 3.0, 5.0, 7.0]);
        assert_eq!(deriv(&line, &[], &mut ctx), Some(0.2));
        assert_eq!(predict_linear(&line, &[50.0], &mut ctx), Some(17.0));
    }

    #[test]
    fn constants_and_single_samples_are_special() {
        let mut ctx = CallContext::default();
        assert_eq!(deriv(&window(&[5.0; 4]), &[], &mut ctx), Some(0.0));
        assert!(deriv(&window(&[f64::INFINITY; 3]), &[], &mut ctx).is_some_and(f64::is_nan));
        assert_eq!(deriv(&window(&[5.0]), &[], &mut ctx), None);
        assert_eq!(predict_linear(&window(&[5.0]), &[1.0], &mut ctx), None);
    }

    #[test]
    fn smoothing_follows_a_line_and_refuses_bad_factors() {
        let mut ctx = CallContext::default();
        let line = window(&[1.0, 2.0, 3.0, 4.0]);
        assert_eq!(double_exponential_smoothing(&line, &[0.5, 0.5], &mut ctx), Some(4.0));
        assert_eq!(ctx.failure(), None);
        assert_eq!(double_exponential_smoothing(&line, &[0.5, 1.0], &mut ctx), None);
        assert_eq!(ctx.failure(), Some("invalid trend factor. Expected: 0 < tf < 1, got: 1.000000"));
    }
}
