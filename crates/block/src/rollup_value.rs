//! The values of a window of floats: which columns they stand in, and which of them others tell.

use latewood_model::rollup::{greater, lesser};

/// A value of a window. The discriminant is its place wherever there is one for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RollupValue {
    Sum,
    Min,
    Max,
    First,
    Last,
    Correction,
}

impl RollupValue {
    /// All of them, in the order of their columns.
    pub(crate) const ALL: [Self; 6] =
        [Self::Sum, Self::Min, Self::Max, Self::First, Self::Last, Self::Correction];

    /// The columns for its integer and its double.
    pub(crate) fn columns(self) -> [&'static str; 2] {
        match self {
            Self::Sum => ["sum_vi", "sum_vf"],
            Self::Min => ["min_vi", "min_vf"],
            Self::Max => ["max_vi", "max_vf"],
            Self::First => ["first_vi", "first_vf"],
            Self::Last => ["last_vi", "last_vf"],
            Self::Correction => ["correction_vi", "correction_vf"],
        }
    }

    /// What it is where both columns are NULL: told by the count, the first and the last value. Nothing where it has
    /// to stand there. A NaN is never told: what bits it has is the processor's.
    pub(crate) fn derived(self, count: u64, first: f64, last: f64) -> Option<f64> {
        match self {
            Self::Sum => Some(count as f64 * last).filter(|sum| !sum.is_nan()),
            Self::Min => Some(lesser(first, last)),
            Self::Max => Some(greater(first, last)),
            Self::First => Some(last),
            Self::Last => None,
            Self::Correction => Some(0.0),
        }
    }
}

/// Which value columns of a span hold anything, and which values are told by others in some of its rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct HeldValues {
    /// Two bits a value: the lower for its integers, the upper for its doubles. The bit above all: stale windows.
    held: u16,
    derived: u16,
}

/// The bit of stale windows.
const STALE: u16 = 1 << 12;

impl HeldValues {
    /// Notes what stands in the columns of a value in a row.
    pub(crate) fn note(&mut self, value: RollupValue, vi: bool, vf: bool) {
        let place = value as u16;
        self.held |= (u16::from(vi) | u16::from(vf) << 1) << (2 * place);
        self.derived |= u16::from(!vi && !vf) << place;
    }

    /// Notes a window that is stale.
    pub(crate) fn note_stale(&mut self, is_stale: bool) {
        self.held |= if is_stale { STALE } else { 0 };
    }

    pub(crate) fn has_integers(self, value: RollupValue) -> bool {
        self.held & (1 << (2 * value as u16)) != 0
    }

    pub(crate) fn has_doubles(self, value: RollupValue) -> bool {
        self.held & (2 << (2 * value as u16)) != 0
    }

    pub(crate) fn has_stale(self) -> bool {
        self.held & STALE != 0
    }

    /// Whether in some row the value is told by others.
    pub(crate) fn is_derived(self, value: RollupValue) -> bool {
        self.derived & (1 << value as u16) != 0
    }

    /// As the columns of `spans.parquet` have it.
    pub(crate) fn numbers(self) -> [i32; 2] {
        [i32::from(self.held), i32::from(self.derived)]
    }

    /// From these columns; nothing of bits that mean nothing. Of windows with values each stands somewhere, and the
    /// last one in every row; of windows without, none does.
    pub(crate) fn from_numbers([held, derived]: [i32; 2], has_values: bool) -> Option<Self> {
        let within = |number: i32, bits: u32| u16::try_from(number).ok().filter(|number| number >> bits == 0);
        let values = Self { held: within(held, 13)?, derived: within(derived, 6)? };
        let stands = |value: &RollupValue| values.has_integers(*value) || values.has_doubles(*value);
        let is_sound = match has_values {
            true => {
                let covered = |value: &RollupValue| stands(value) || values.is_derived(*value);
                RollupValue::ALL.iter().all(covered) && !values.is_derived(RollupValue::Last)
            }
            false => values.derived == 0 && !RollupValue::ALL.iter().any(stands),
        };
        is_sound.then_some(values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_comes_back_from_its_numbers() {
        let mut values = HeldValues::default();
        RollupValue::ALL.into_iter().for_each(|value| values.note(value, true, value == RollupValue::Max));
        values.note(RollupValue::Min, false, false);
        values.note_stale(true);
        assert_eq!(HeldValues::from_numbers(values.numbers(), true), Some(values));
        assert_eq!(HeldValues::from_numbers(values.numbers(), false), None);
        assert!(values.has_doubles(RollupValue::Max) && !values.has_doubles(RollupValue::Sum));
        assert!(values.is_derived(RollupValue::Min) && values.has_stale());
        for broken in [[1 << 13, 0], [-1, 0], [0x555, 1 << 6], [0x555, 1 << 4], [0, 0x2f], [0x455, 0]] {
            assert_eq!(HeldValues::from_numbers(broken, true), None, "{broken:?}");
        }
        assert!(HeldValues::from_numbers([1 << 12, 0], false).is_some_and(HeldValues::has_stale));
    }

    #[test]
    fn a_sum_that_is_no_number_is_not_told() {
        assert_eq!(RollupValue::Sum.derived(3, 0.0, 2.5), Some(7.5));
        assert_eq!(RollupValue::Sum.derived(1, 0.0, f64::NAN), None);
        assert_eq!(RollupValue::Min.derived(2, f64::NAN, 2.0), Some(2.0));
        assert_eq!(RollupValue::Max.derived(2, 3.0, f64::NAN), Some(3.0));
        assert_eq!(RollupValue::Last.derived(2, 3.0, 3.0), None);
    }
}
