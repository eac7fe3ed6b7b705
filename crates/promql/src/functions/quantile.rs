//! `quantile_over_time`, `mad_over_time`, and the quantile that the aggregation uses too.

use std::cmp::Ordering;

use crate::annotations::CallContext;
use crate::functions::Window;

/// The φ-quantile of the values, which are sorted by it, NaN first: linear between the two nearest ranks.
/// NaN of none or for φ = NaN; -Inf for φ < 0, +Inf for φ > 1.
#[must_use]
#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)] // ranks are small and not negative
pub fn quantile(phi: f64, values: &mut [f64]) -> f64 {
    if values.is_empty() || phi.is_nan() {
        return f64::NAN;
    }
    if phi < 0.0 {
        return f64::NEG_INFINITY;
    }
    if phi > 1.0 {
        return f64::INFINITY;
    }
    values.sort_unstable_by(|a, b| a.partial_cmp(b).unwrap_or_else(|| b.is_nan().cmp(&a.is_nan())));
    let rank = phi * (values.len() - 1) as f64;
    let lower = rank.floor() as usize;
    let upper = (lower + 1).min(values.len() - 1);
    let weight = rank - rank.floor();
    values[lower] * (1.0 - weight) + values[upper] * weight
}

/// The text of the warning about a φ outside [0, 1], if it is.
#[must_use]
pub fn invalid_quantile(phi: f64) -> Option<String> {
    (!(0.0..=1.0).contains(&phi)).then(|| {
        format!(
            "PromQL warning: quantile value should be between 0 and 1, got {}",
            crate::print::general(phi)
        )
    })
}

/// `quantile_over_time(φ, m)`
pub(super) fn over_time(window: &Window<'_>, params: &[f64], ctx: &mut CallContext) -> Option<f64> {
    window.first()?;
    let phi = *params.first()?;
    if let Some(text) = invalid_quantile(phi) {
        ctx.warn(text);
    }
    Some(quantile(phi, &mut window.values.to_vec()))
}

/// `mad_over_time`: the median of the distances from the median; NaN where there is a NaN.
pub(super) fn mad(window: &Window<'_>, _: &[f64], _: &mut CallContext) -> Option<f64> {
    window.first()?;
    if window.values.iter().any(|value| value.is_nan()) {
        return Some(f64::NAN);
    }
    let mut values = window.values.to_vec();
    let median = quantile(0.5, &mut values);
    values.iter_mut().for_each(|value| *value = (*value - median).abs());
    Some(quantile(0.5, &mut values))
}

/// Ascending, NaN after everything else.
pub(super) fn nan_last(a: f64, b: f64) -> Ordering {
    a.partial_cmp(&b).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_linear_between_ranks() {
        for (phi, expected) in [
            (0.0, 1.0),
            (0.5, 2.5),
            (0.25, 1.75),
            (1.0, 4.0),
            (-0.1, f64::NEG_INFINITY),
            (1.1, f64::INFINITY),
        ] {
            assert_eq!(quantile(phi, &mut [4.0, 1.0, 3.0, 2.0]), expected, "{phi}");
        }
        assert!(quantile(f64::NAN, &mut [1.0]).is_nan() && quantile(0.5, &mut []).is_nan());
    }

    #[test]
    fn nan_sorts_first() {
        assert!(quantile(0.0, &mut [1.0, f64::NAN]).is_nan());
        assert_eq!(quantile(1.0, &mut [1.0, f64::NAN, 0.5]), 1.0);
    }

    #[test]
    fn a_wrong_quantile_warns() {
        let window =
            Window { timestamps: &[1], values: &[1.0], start: 0, end: 1, step_time: 1, ..Window::default() };
        let mut ctx = CallContext::default();
        assert_eq!(over_time(&window, &[2.0], &mut ctx), Some(f64::INFINITY));
        assert_eq!(ctx.warnings(), ["PromQL warning: quantile value should be between 0 and 1, got 2"]);
    }

    #[test]
    fn the_median_distance_from_the_median() {
        let values = [4.0, 6.0, 2.0, 1.0, 999.0, 1.0, 2.0];
        let window = Window {
            timestamps: &[1, 2, 3, 4, 5, 6, 7],
            values: &values,
            start: 0,
            end: 7,
            step_time: 7,
            ..Window::default()
        };
        assert_eq!(mad(&window, &[], &mut CallContext::default()), Some(1.0));
    }
}
