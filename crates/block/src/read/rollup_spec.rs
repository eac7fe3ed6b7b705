//! What a select of windows asks for.

use latewood_model::{Matcher, RollupColumns, TimeRange};

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

/// The column of a value.
pub(super) fn column_of(value: RollupValue) -> RollupColumns {
    match value {
        RollupValue::Sum => RollupColumns::SUM,
        RollupValue::Min => RollupColumns::MIN,
        RollupValue::Max => RollupColumns::MAX,
        RollupValue::First => RollupColumns::FIRST,
        RollupValue::Last => RollupColumns::LAST,
        RollupValue::Correction => RollupColumns::CORRECTION,
    }
}

/// Columns and those that tell them where they do not stand.
pub(super) fn with_sources(columns: RollupColumns, held: HeldValues) -> RollupColumns {
    let needs = |value: RollupValue| columns.contains(column_of(value)) && held.is_derived(value);
    let mut all = columns;
    if needs(RollupValue::Sum) {
        all = all | RollupColumns::COUNT | RollupColumns::LAST;
    }
    if needs(RollupValue::Min) || needs(RollupValue::Max) {
        all = all | RollupColumns::FIRST | RollupColumns::LAST;
    }
    if all.contains(RollupColumns::FIRST) && held.is_derived(RollupValue::First) {
        all = all | RollupColumns::LAST;
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_tells_a_value_is_read_with_it() {
        let mut held = HeldValues::default();
        RollupValue::ALL.into_iter().for_each(|value| held.note(value, true, false));
        assert_eq!(with_sources(RollupColumns::SUM, held), RollupColumns::SUM);
        held.note(RollupValue::Min, false, false);
        let first_and_last = RollupColumns::FIRST | RollupColumns::LAST;
        assert_eq!(with_sources(RollupColumns::MIN, held), RollupColumns::MIN | first_and_last);
        assert_eq!(with_sources(RollupColumns::FIRST, held), RollupColumns::FIRST);
        held.note(RollupValue::First, false, false);
        held.note(RollupValue::Sum, false, false);
        assert_eq!(with_sources(RollupColumns::FIRST, held), first_and_last);
        let sum = RollupColumns::SUM | RollupColumns::COUNT | RollupColumns::LAST;
        assert_eq!(with_sources(RollupColumns::SUM, held), sum);
    }
}
