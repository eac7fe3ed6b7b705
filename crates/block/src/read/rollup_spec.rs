//! What a select of windows asks for.

use std::ops::BitOr;

use latewood_model::{Matcher, TimeRange};

use crate::rollup_value::{HeldValues, RollupValue};

/// What a select of windows asks for.
#[derive(Clone, Debug)]
pub struct RollupSpec {
    /// All must match.
    pub matchers: Vec<Matcher>,
    /// Windows whose ends lie in this range, both ends included.
    pub range: TimeRange,
    /// Only the labels: series come without windows, and those are named whose span of time overlaps the range, even if
    /// no window should end in it.
    pub skip_windows: bool,
    /// Which figures of windows of floats are wanted; the others stay empty. Windows of histograms come whole.
    pub columns: RollupColumns,
}

/// Figures of windows of floats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RollupColumns(u16);

impl RollupColumns {
    /// None but the ends.
    pub const NONE: Self = Self(0);
    /// The number of samples.
    pub const COUNT: Self = Self(1);
    /// Their sum.
    pub const SUM: Self = Self(1 << 1);
    /// The least.
    pub const MIN: Self = Self(1 << 2);
    /// The greatest.
    pub const MAX: Self = Self(1 << 3);
    /// The first.
    pub const FIRST: Self = Self(1 << 4);
    /// The last.
    pub const LAST: Self = Self(1 << 5);
    /// What was before counter resets.
    pub const CORRECTION: Self = Self(1 << 6);
    /// The times of first and last sample.
    pub const TIMES: Self = Self(1 << 7);
    /// Whether the window is stale.
    pub const STALE: Self = Self(1 << 8);
    /// All of them.
    pub const ALL: Self = Self((1 << 9) - 1);

    /// Whether all figures of the other are among these.
    #[must_use]
    pub fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// How many figures.
    pub(super) fn len(self) -> u32 {
        self.0.count_ones()
    }

    /// The one of a value.
    pub(super) fn of(value: RollupValue) -> Self {
        match value {
            RollupValue::Sum => Self::SUM,
            RollupValue::Min => Self::MIN,
            RollupValue::Max => Self::MAX,
            RollupValue::First => Self::FIRST,
            RollupValue::Last => Self::LAST,
            RollupValue::Correction => Self::CORRECTION,
        }
    }

    /// These and those that tell them where they do not stand.
    pub(super) fn with_sources(self, held: HeldValues) -> Self {
        let needs = |value: RollupValue| self.contains(Self::of(value)) && held.is_derived(value);
        let mut all = self;
        if needs(RollupValue::Sum) {
            all = all | Self::COUNT | Self::LAST;
        }
        if needs(RollupValue::Min) || needs(RollupValue::Max) {
            all = all | Self::FIRST | Self::LAST;
        }
        if all.contains(Self::FIRST) && held.is_derived(RollupValue::First) {
            all = all | Self::LAST;
        }
        all
    }
}

impl BitOr for RollupColumns {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_tells_a_value_is_read_with_it() {
        let mut held = HeldValues::default();
        RollupValue::ALL.into_iter().for_each(|value| held.note(value, true, false));
        assert_eq!(RollupColumns::SUM.with_sources(held), RollupColumns::SUM);
        held.note(RollupValue::Min, false, false);
        let first_and_last = RollupColumns::FIRST | RollupColumns::LAST;
        assert_eq!(RollupColumns::MIN.with_sources(held), RollupColumns::MIN | first_and_last);
        assert_eq!(RollupColumns::FIRST.with_sources(held), RollupColumns::FIRST);
        held.note(RollupValue::First, false, false);
        held.note(RollupValue::Sum, false, false);
        assert_eq!(RollupColumns::FIRST.with_sources(held), first_and_last);
        let sum = RollupColumns::SUM | RollupColumns::COUNT | RollupColumns::LAST;
        assert_eq!(RollupColumns::SUM.with_sources(held), sum);
        assert!(RollupColumns::ALL.contains(sum) && !sum.contains(RollupColumns::ALL));
    }
}
