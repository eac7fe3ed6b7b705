//! Doubles as integers over a power of ten, exactly.
//!
//! Most values that exporters send are decimals with few digits. `v = vi · num / den` with `den = 10^e`
//! and `|vi · num| < 2^53`: one division of two integers that a double holds exactly, hence correctly
//! rounded, hence the very bits that parsing the decimal gave. Every value is restored and its bits
//! compared before it is stored so; what does not come back (NaNs, infinities, −0.0, doubles with all their
//! digits) is stored as it is. The idea is that of ALP (Afroozeh and Boncz, SIGMOD 2023) with the exception
//! list turned into a second column.

use latewood_model::is_stale;

/// Integers at and above this are not all doubles.
const EXACT: i64 = 1 << 53;

/// The largest exponent whose power is an `i64`; all of them are exact doubles too.
const MAX_EXPONENT: usize = 18;

const POWERS: [i64; MAX_EXPONENT + 1] = {
    let mut powers = [1; MAX_EXPONENT + 1];
    let mut e = 1;
    while e <= MAX_EXPONENT {
        powers[e] = powers[e - 1] * 10;
        e += 1;
    }
    powers
};

/// Bits that a value costs in the column of doubles, after byte stream split and zstd, and in the
/// definition levels of both columns.
const DOUBLE_BITS: u64 = 56;

/// Values of a miniblock of the delta encoder.
const MINIBLOCK: usize = 64;

/// The factor that a run of values shares: `value = vi · num / den`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Scale {
    /// The common divisor of the mantissas, at least 1.
    pub(crate) num: i64,
    /// A power of ten, 1 to 10^18.
    pub(crate) den: i64,
}

impl Scale {
    /// The value of a stored integer, or nothing when it is beyond what is exact.
    pub(crate) fn restore(self, vi: i64) -> Option<f64> {
        let mantissa = vi.checked_mul(self.num)?;
        (mantissa.unsigned_abs() < EXACT as u64).then(|| divide(mantissa, self.den))
    }
}

/// Where a value goes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Slot {
    /// Into `vi`, as this integer.
    Integer(i64),
    /// Into `vf`, as it is.
    Double(f64),
    /// Nowhere: both columns are NULL. Of samples the stale marker, of aggregates what others tell.
    Null,
}

impl Slot {
    /// What stands in `vi` and in `vf`.
    pub(crate) fn columns(self) -> (Option<i64>, Option<f64>) {
        match self {
            Self::Integer(vi) => (Some(vi), None),
            Self::Double(vf) => (None, Some(vf)),
            Self::Null => (None, None),
        }
    }
}

/// The values of a series, routed.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Routed {
    /// The scale of the integers; none when there are no integers.
    pub(crate) scale: Option<Scale>,
    /// One a value.
    pub(crate) slots: Vec<Slot>,
    /// Whether any value is a double.
    pub(crate) has_doubles: bool,
}

/// A decimal with the least exponent: `value = mantissa / 10^exponent`.
#[derive(Clone, Copy)]
struct Decimal {
    mantissa: i64,
    exponent: u8,
}

/// Routes the values of a series so that they come back bit for bit and cost little.
pub(crate) fn route(values: &[f64]) -> Routed {
    let mut hint = 0;
    let decimals: Vec<Option<Decimal>> = values.iter().map(|&value| decimal(value, &mut hint)).collect();
    let scale = best_scale(values, &decimals);
    let mut has_doubles = false;
    let slots = values.iter().zip(&decimals).map(|(&value, decimal)| {
        let slot = slot(value, *decimal, scale);
        has_doubles |= matches!(slot, Slot::Double(_));
        slot
    });
    let slots: Vec<Slot> = slots.collect();
    let scale = scale.filter(|_| slots.iter().any(|slot| matches!(slot, Slot::Integer(_))));
    Routed { scale, slots, has_doubles }
}

fn slot(value: f64, decimal: Option<Decimal>, scale: Option<Scale>) -> Slot {
    if is_stale(value) {
        return Slot::Null;
    }
    let integer = scale.and_then(|scale| {
        let vi = mantissa_at(decimal?, scale.den)? / scale.num;
        let restored = scale.restore(vi)?;
        (restored.to_bits() == value.to_bits()).then_some(vi)
    });
    integer.map_or(Slot::Double(value), Slot::Integer)
}

fn divide(mantissa: i64, den: i64) -> f64 {
    mantissa as f64 / den as f64
}

/// The mantissa of `value` at 10^exponent, if that is exact.
fn scaled(value: f64, exponent: usize) -> Option<i64> {
    let den = *POWERS.get(exponent)?;
    let product = value * den as f64;
    if product.abs() >= EXACT as f64 || product.is_nan() {
        return None;
    }
    let mantissa = (product + 0.5f64.copysign(product)) as i64;
    (divide(mantissa, den).to_bits() == value.to_bits()).then_some(mantissa)
}

/// The decimal of a value; `hint` is the exponent that served its predecessor.
fn decimal(value: f64, hint: &mut usize) -> Option<Decimal> {
    if !value.is_finite() {
        return None;
    }
    if let Some(mantissa) = scaled(value, 0) {
        return Some(Decimal { mantissa, exponent: 0 });
    }
    if let Some(mantissa) = scaled(value, *hint) {
        return Some(reduce(mantissa, *hint));
    }
    let exponents = (1..=MAX_EXPONENT).take_while(|&e| value.abs() * (POWERS[e] as f64) < EXACT as f64);
    let (exponent, mantissa) = exponents.filter_map(|e| Some((e, scaled(value, e)?))).next()?;
    *hint = exponent;
    Some(reduce(mantissa, exponent))
}

fn reduce(mut mantissa: i64, mut exponent: usize) -> Decimal {
    while exponent > 0 && mantissa % 10 == 0 {
        mantissa /= 10;
        exponent -= 1;
    }
    Decimal { mantissa, exponent: exponent as u8 }
}

/// The mantissa over a larger power of ten, while it stays exact.
fn mantissa_at(decimal: Decimal, den: i64) -> Option<i64> {
    let own = POWERS.get(usize::from(decimal.exponent))?;
    if den < *own {
        return None;
    }
    let mantissa = decimal.mantissa.checked_mul(den / own)?;
    (mantissa.unsigned_abs() < EXACT as u64).then_some(mantissa)
}

/// The scale with the least estimated size, or none when doubles are smaller.
fn best_scale(values: &[f64], decimals: &[Option<Decimal>]) -> Option<Scale> {
    let mut seen = [false; MAX_EXPONENT + 1];
    for decimal in decimals.iter().flatten() {
        if let Some(seen) = seen.get_mut(usize::from(decimal.exponent)) {
            *seen = true;
        }
    }
    let candidates = POWERS.iter().zip(seen).filter(|(_, seen)| *seen);
    let costs = candidates.map(|(&den, _)| cost_at(den, values, decimals));
    let best = costs.min_by_key(|(cost, _)| *cost);
    let all_doubles = values.iter().filter(|value| !is_stale(**value)).count() as u64 * DOUBLE_BITS;
    best.filter(|(cost, _)| *cost <= all_doubles).map(|(_, scale)| scale)
}

/// The estimated bits of the series at one power of ten, and the scale there.
fn cost_at(den: i64, values: &[f64], decimals: &[Option<Decimal>]) -> (u64, Scale) {
    let (mut divisor, mut doubles, mut bits, mut integers) = (0u64, 0u64, 0u64, 0usize);
    let (mut before, mut low, mut high, mut held) = (None, i64::MAX, i64::MIN, 0u64);
    for (value, decimal) in values.iter().zip(decimals) {
        let Some(mantissa) = decimal.and_then(|decimal| mantissa_at(decimal, den)) else {
            doubles += u64::from(!is_stale(*value));
            continue;
        };
        integers += 1;
        if divisor != 1 {
            divisor = gcd(divisor, mantissa.unsigned_abs());
        }
        if let Some(before) = before.replace(mantissa) {
            let delta = mantissa - before;
            (low, high, held) = (low.min(delta), high.max(delta), held + 1);
        }
        if held == MINIBLOCK as u64 {
            bits += held * width(low, high);
            (low, high, held) = (i64::MAX, i64::MIN, 0);
        }
    }
    if held > 0 {
        bits += held * width(low, high);
    }
    let num = i64::try_from(divisor.max(1)).unwrap_or(1);
    let saved = integers as u64 * u64::from(63 - num.leading_zeros());
    let scale = Scale { num, den };
    (bits.saturating_sub(saved) + doubles * DOUBLE_BITS, scale)
}

/// Bits that tell the numbers of a range apart.
fn width(low: i64, high: i64) -> u64 {
    u64::from(64 - high.wrapping_sub(low).leading_zeros())
}

fn gcd(mut a: u64, mut b: u64) -> u64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

#[cfg(test)]
mod tests {
    use latewood_model::stale_nan;
    use proptest::prelude::*;

    use super::*;

    fn come_back(values: &[f64]) -> Routed {
        let routed = route(values);
        assert_eq!(routed.slots.len(), values.len());
        for (value, slot) in values.iter().zip(&routed.slots) {
            let back = match slot {
                Slot::Integer(vi) => routed.scale.and_then(|scale| scale.restore(*vi)).unwrap(),
                Slot::Double(value) => *value,
                Slot::Null => stale_nan(),
            };
            assert_eq!(back.to_bits(), value.to_bits(), "{value:?} in {values:?}");
        }
        routed
    }

    #[test]
    fn decimals_share_a_scale_and_a_divisor() {
        let routed = come_back(&[0.25, 1.5, 3.0]);
        assert_eq!(routed.scale, Some(Scale { num: 25, den: 100 }));
        assert_eq!(routed.slots, [1, 6, 12].map(Slot::Integer));
        let pages = come_back(&[4096.0, 12288.0, 40960.0]);
        assert_eq!(pages.scale, Some(Scale { num: 4096, den: 1 }));
        assert!(!pages.has_doubles);
    }

    #[test]
    fn a_stray_double_does_not_spoil_its_series() {
        let mut values = vec![7.0; 100];
        values[50] = std::f64::consts::PI;
        values[60] = stale_nan();
        let routed = come_back(&values);
        assert_eq!(routed.slots[50], Slot::Double(std::f64::consts::PI));
        assert_eq!((routed.slots[60], routed.slots[0]), (Slot::Null, Slot::Integer(1)));
    }

    #[test]
    fn odd_doubles_come_back() {
        let nan = |bits: u64| f64::from_bits(0x7ff8_0000_0000_0000 | bits);
        let largest = (EXACT - 1) as f64;
        come_back(&[-0.0, 0.0, f64::INFINITY, f64::NEG_INFINITY, nan(0), nan(7), -nan(9), stale_nan()]);
        come_back(&[f64::MIN_POSITIVE, 5e-324, f64::MAX, largest, -largest, largest + 1.0, 1e18, 1e-18]);
        come_back(&[1e300, 0.1, 0.3, 0.1 + 0.2, 1e15 + 0.3, -1e22]);
        come_back(&[]);
    }

    proptest! {
        #[test]
        fn any_bits_come_back(bits in prop::collection::vec(any::<u64>(), 0..50)) {
            come_back(&bits.into_iter().map(f64::from_bits).collect::<Vec<_>>());
        }

        #[test]
        fn short_decimals_of_as_many_places_become_integers(
            mantissas in prop::collection::vec(-100_000_000i64..100_000_000, 1..50), exponent in 0usize..6,
        ) {
            // None ends with a zero, so that no smaller power of ten would do for some of them.
            let values: Vec<f64> =
                mantissas.iter().map(|m| format!("{}e-{exponent}", m * 10 + 1).parse().unwrap()).collect();
            prop_assert!(!come_back(&values).has_doubles);
        }
    }
}
