//! What stands in for elements that a binary operation misses on one side.
//!
//! `fill_left` fills the side that may have many elements and `fill_right` the other one, also under `group_right`,
//! where the many are on the right: Prometheus's scripts pin this down.

use latewood_model::Labels;

use super::row::Row;
use super::tile::{absent, is_present};

/// A row that no series has: a value at the steps at which it is needed, the labels of the match group.
pub(super) struct StandIn {
    labels: Labels,
    values: Vec<f64>,
}

impl StandIn {
    /// For the steps at which `row` has an element and none of its partners has; `None` where there are no such.
    pub(super) fn for_partners(
        value: Option<f64>,
        group: &Labels,
        row: &[f64],
        partners: &[Row<'_>],
    ) -> Option<Self> {
        let has_partner = |step: usize| partners.iter().any(|partner| is_present(partner.values[step]));
        Self::new(value?, group, row, |step| !has_partner(step))
    }

    /// For the steps at which `row` has an element and its group had no match; `None` where there are no such.
    pub(super) fn for_unmatched(
        value: Option<f64>,
        group: &Labels,
        row: &[f64],
        matched: &[bool],
    ) -> Option<Self> {
        Self::new(value?, group, row, |step| !matched.get(step).is_some_and(|matched| *matched))
    }

    fn new(value: f64, group: &Labels, row: &[f64], is_missing: impl Fn(usize) -> bool) -> Option<Self> {
        let wanted = |(step, there): (usize, &f64)| is_present(*there) && is_missing(step);
        let steps = row.iter().enumerate();
        let values: Vec<f64> = steps.map(|element| if wanted(element) { value } else { absent() }).collect();
        let is_needed = values.iter().any(|value| is_present(*value));
        is_needed.then(|| Self { labels: group.clone(), values })
    }

    /// The row.
    pub(super) fn row(&self) -> Row<'_> {
        Row::of_floats(&self.labels, &self.values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_missing_is_filled() {
        let group = Labels::from_pairs([("x", "a")]);
        let row = [1.0, 2.0, absent(), 4.0];
        let partner = [absent(), 20.0, 30.0, absent()];
        let partners = [Row::of_floats(&group, &partner)];
        let filled = StandIn::for_partners(Some(7.0), &group, &row, &partners).unwrap();
        let present: Vec<bool> = filled.row().values.iter().map(|value| is_present(*value)).collect();
        assert_eq!(present, [true, false, false, true]);
        assert_eq!(filled.row().values[0], 7.0);
        assert!(StandIn::for_partners(None, &group, &row, &partners).is_none());
        assert!(StandIn::for_unmatched(Some(7.0), &group, &row, &[true; 4]).is_none());
        assert!(StandIn::for_unmatched(Some(7.0), &group, &row, &[]).is_some());
    }
}
