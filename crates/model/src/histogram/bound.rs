//! Where buckets end.

use super::fractions::FRACTIONS;
use super::schema::{MAX_SCHEMA, is_custom};

/// The upper bound of the bucket of that index on the positive side; the lower bound is that of the index
/// before. Negative buckets are the mirror image. Custom bounds are looked up: below the first there is
/// −Inf, above the last +Inf.
#[must_use]
pub fn upper_bound(index: i32, schema: i32, custom_bounds: &[f64]) -> f64 {
    if !is_custom(schema) {
        return exponential(index, schema);
    }
    match usize::try_from(index) {
        Ok(index) => custom_bounds.get(index).copied().unwrap_or(f64::INFINITY),
        Err(_) => f64::NEG_INFINITY,
    }
}

/// `2^(index · 2^-schema)`, but for the bucket before the one of the infinities: it ends at the greatest
/// finite number, which is not a bound of any schema.
fn exponential(index: i32, schema: i32) -> f64 {
    let index = i64::from(index);
    if schema < 0 {
        let exponent = index << schema.unsigned_abs().min(16);
        return if exponent == 1024 { f64::MAX } else { scale(1.0, exponent) };
    }
    let schema = schema.min(MAX_SCHEMA);
    let position = (index & ((1 << schema) - 1)) << (MAX_SCHEMA - schema);
    let fraction = FRACTIONS.get(position as usize).copied().unwrap_or(f64::NAN);
    let exponent = (index >> schema) + 1;
    if fraction == 0.5 && exponent == 1025 {
        return f64::MAX;
    }
    scale(fraction, exponent)
}

/// `fraction · 2^exponent`, rounded once.
fn scale(fraction: f64, exponent: i64) -> f64 {
    let exponent = exponent.clamp(-2200, 2200) as i32;
    if exponent > 1023 {
        return fraction * 2.0 * power_of_two(exponent - 1);
    }
    if exponent >= -1021 {
        return fraction * power_of_two(exponent);
    }
    // Denormal: the first product is exact, the second rounds.
    fraction * power_of_two(-1021) * power_of_two(exponent + 1021)
}

/// An exact power of two; infinite or zero out of range.
fn power_of_two(exponent: i32) -> f64 {
    match exponent {
        ..-1074 => 0.0,
        -1074..-1022 => f64::from_bits(1 << (exponent + 1074)),
        -1022..=1023 => f64::from_bits(((exponent + 1023) as u64) << 52),
        1024.. => f64::INFINITY,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::histogram::CUSTOM_BUCKETS;

    #[test]
    fn exponential_bounds_are_powers() {
        for (index, schema, expect) in [
            (0, 0, 1.0),
            (1, 0, 2.0),
            (-1, 0, 0.5),
            (1, 2, 1.189_207_115_002_721),
            (2, 1, 2.0),
            (-1, 2, 0.840_896_415_253_714_4),
            (1, -2, 16.0),
            (-1, -4, 1.0 / 65536.0),
            (64, -4, f64::MAX),
            (65, -4, f64::INFINITY),
            (1023, 0, 2f64.powi(1023)),
            (1024, 0, f64::MAX),
            (1025, 0, f64::INFINITY),
            (1024 << 8, 8, f64::MAX),
            (-1074, 0, 5e-324),
            (-1075, 0, 0.0),
            (i32::MIN, -4, 0.0),
            (i32::MAX, -4, f64::INFINITY),
        ] {
            assert_eq!(upper_bound(index, schema, &[]), expect, "{index} of schema {schema}");
        }
    }

    #[test]
    fn bounds_ascend() {
        for schema in -4..=8 {
            let bounds: Vec<f64> = (-600..600).map(|index| upper_bound(index, schema, &[])).collect();
            assert!(bounds.windows(2).all(|pair| pair[0] < pair[1] || !(1e-300..1e300).contains(&pair[0])));
        }
    }

    #[test]
    fn custom_bounds_are_open_at_both_ends() {
        let bound = |index| upper_bound(index, CUSTOM_BUCKETS, &[1.0, 2.5]);
        assert_eq!([-1, 0, 1, 2].map(bound), [f64::NEG_INFINITY, 1.0, 2.5, f64::INFINITY]);
    }
}
