//! Functions of one number: rounding, clamping, logarithms, trigonometry.

use crate::annotations::CallContext;

/// Makes a kernel of an expression in one number.
macro_rules! kernels {
    ($($(#[$doc:meta])* $name:ident = |$value:ident| $body:expr;)*) => {$(
        $(#[$doc])*
        pub(super) fn $name($value: f64, _: i64, _: &[f64], _: &mut CallContext) -> Option<f64> {
            Some($body)
        }
    )*};
}

kernels! {
    /// `abs`
    abs = |value| value.abs();
    /// `acos`
    acos = |value| value.acos();
    /// `acosh`
    acosh = |value| value.acosh();
    /// `asin`
    asin = |value| value.asin();
    /// `asinh`
    asinh = |value| value.asinh();
    /// `atan`
    atan = |value| value.atan();
    /// `atanh`
    atanh = |value| value.atanh();
    /// `ceil`
    ceil = |value| value.ceil();
    /// `cos`
    cos = |value| value.cos();
    /// `cosh`
    cosh = |value| value.cosh();
    /// `deg`: multiplied before it is divided, as upstream.
    deg = |value| value * 180.0 / std::f64::consts::PI;
    /// `exp`
    exp = |value| value.exp();
    /// `floor`
    floor = |value| value.floor();
    /// `ln`
    ln = |value| value.ln();
    /// `log10`
    log10 = |value| value.log10();
    /// `log2`
    log2 = |value| go_log2(value);
    /// `rad`: multiplied before it is divided, as upstream.
    rad = |value| value * std::f64::consts::PI / 180.0;
    /// `sgn`: zeros keep their sign, NaN stays.
    sgn = |value| if value < 0.0 { -1.0 } else if value > 0.0 { 1.0 } else { value };
    /// `sin`
    sin = |value| value.sin();
    /// `sinh`
    sinh = |value| value.sinh();
    /// `sqrt`
    sqrt = |value| value.sqrt();
    /// `tan`
    tan = |value| value.tan();
    /// `tanh`
    tanh = |value| value.tanh();
}

/// Go's `math.Log2`: the exponent and the logarithm of the fraction in [0.5, 1), so that powers of two are exact.
fn go_log2(value: f64) -> f64 {
    if value <= 0.0 || !value.is_finite() {
        return value.ln();
    }
    let (normal, shift) = if value < f64::MIN_POSITIVE { (value * TWO_TO_52, 52) } else { (value, 0) };
    // A positive normal number has its exponent in these 11 bits.
    let biased = i32::try_from(normal.to_bits() >> 52).unwrap_or_default();
    let fraction = f64::from_bits((normal.to_bits() & !(0x7ff << 52)) | (1022 << 52));
    let exponent = f64::from(biased - 1022 - shift);
    if fraction == 0.5 {
        return exponent - 1.0;
    }
    fraction.ln() * (1.0 / std::f64::consts::LN_2) + exponent
}

const TWO_TO_52: f64 = (1_u64 << 52) as f64;

/// `round(v, nearest = 1)`: halves go up. Works with the inverse of `nearest`, as upstream.
pub(super) fn round(value: f64, _: i64, params: &[f64], _: &mut CallContext) -> Option<f64> {
    let inverse = 1.0 / params.first().copied().unwrap_or(1.0);
    Some((value * inverse + 0.5).floor() / inverse)
}

/// `clamp(v, min, max)`: nothing where min > max.
pub(super) fn clamp(value: f64, _: i64, params: &[f64], _: &mut CallContext) -> Option<f64> {
    let &[min, max] = params else { return None };
    if max < min {
        return None;
    }
    Some(greater(min, lesser(max, value)))
}

/// `clamp_min(v, min)`
pub(super) fn clamp_min(value: f64, _: i64, params: &[f64], _: &mut CallContext) -> Option<f64> {
    let min = *params.first()?;
    Some(greater(min, value))
}

/// `clamp_max(v, max)`
pub(super) fn clamp_max(value: f64, _: i64, params: &[f64], _: &mut CallContext) -> Option<f64> {
    let max = *params.first()?;
    Some(lesser(max, value))
}

/// The functions of native histograms: floats have no result.
pub(super) fn histograms_only(_: f64, _: i64, _: &[f64], _: &mut CallContext) -> Option<f64> {
    None
}

/// Go's `math.Max`: an infinity wins over NaN, NaN over the rest, +0 over -0.
#[must_use]
pub fn greater(a: f64, b: f64) -> f64 {
    if a == f64::INFINITY || b == f64::INFINITY {
        f64::INFINITY
    } else if a.is_nan() || b.is_nan() {
        f64::NAN
    } else if a == 0.0 && b == 0.0 {
        if a.is_sign_negative() { b } else { a }
    } else if a > b {
        a
    } else {
        b
    }
}

/// Go's `math.Min`: a negative infinity wins over NaN, NaN over the rest, -0 over +0.
#[must_use]
pub fn lesser(a: f64, b: f64) -> f64 {
    -greater(-a, -b)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::functions::ElementKernel;

    fn of(kernel: ElementKernel, value: f64, params: &[f64]) -> Option<f64> {
        kernel(value, 0, params, &mut CallContext::default())
    }

    #[test]
    fn halves_round_up() {
        for (value, params, expected) in [
            (2.5, &[][..], 3.0),
            (-2.5, &[], -2.0),
            (5.3, &[5.0], 5.0),
            (0.13, &[0.1], 0.1),
            (-7.6, &[5.0], -10.0),
        ] {
            assert_eq!(of(round, value, params), Some(expected), "{value} {params:?}");
        }
    }

    #[test]
    fn clamping_follows_go() {
        assert_eq!(of(clamp, 5.0, &[0.0, 3.0]), Some(3.0));
        assert_eq!(of(clamp, -5.0, &[0.0, 3.0]), Some(0.0));
        assert_eq!(of(clamp, 5.0, &[3.0, 0.0]), None);
        assert!(of(clamp, 5.0, &[f64::NAN, 3.0]).is_some_and(f64::is_nan));
        assert!(of(clamp_min, f64::NAN, &[1.0]).is_some_and(f64::is_nan));
        assert_eq!(of(clamp_max, f64::NEG_INFINITY, &[f64::NAN]), Some(f64::NEG_INFINITY));
        assert_eq!(of(clamp_min, -0.0, &[0.0]).map(f64::to_bits), Some(0));
    }

    #[test]
    fn logarithms_of_powers_are_exact() {
        assert_eq!(of(log2, f64::from_bits(1), &[]), Some(-1074.0));
        for exponent in [-1022, -1, 0, 1, 10, 1023] {
            let value = 2.0_f64.powi(exponent);
            assert_eq!(of(log2, value, &[]), Some(f64::from(exponent)), "{value}");
        }
        assert_eq!(of(log10, 1000.0, &[]), Some(3.0));
        assert_eq!(of(log2, 0.0, &[]), Some(f64::NEG_INFINITY));
        assert_eq!(of(log2, f64::INFINITY, &[]), Some(f64::INFINITY));
        assert!(of(log10, -1.0, &[]).is_some_and(f64::is_nan));
    }

    #[test]
    fn signs_and_angles() {
        assert_eq!(of(sgn, -3.0, &[]), Some(-1.0));
        assert_eq!(of(sgn, -0.0, &[]).map(f64::to_bits), Some((-0.0_f64).to_bits()));
        assert_eq!(of(deg, std::f64::consts::PI, &[]), Some(180.0));
        assert_eq!(of(rad, 180.0, &[]), Some(std::f64::consts::PI));
        assert_eq!(of(ln, 0.0, &[]), Some(f64::NEG_INFINITY));
        assert!(of(ln, -1.0, &[]).is_some_and(f64::is_nan));
    }
}
