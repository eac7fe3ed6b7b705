//! Long work in pieces: between two of them the query may be told to end.

use std::cmp::Ordering;

use crate::{Control, QueryError};

/// Pieces of work between two looks at the clock: each takes some tens of nanoseconds, so together about a millisecond.
const PIECES: usize = 1 << 14;

/// Counts work that is done, and looks at the clock every so often.
pub(crate) struct Pace<'a> {
    control: &'a Control,
    left: usize,
}

impl<'a> Pace<'a> {
    pub(crate) fn new(control: &'a Control) -> Self {
        Self { control, left: PIECES }
    }

    /// Tells of work that was done: a value computed, a row moved.
    ///
    /// # Errors
    /// Those of [`Control::check`].
    #[inline]
    pub(crate) fn did(&mut self, pieces: usize) -> Result<(), QueryError> {
        if pieces < self.left {
            self.left -= pieces;
            return Ok(());
        }
        self.left = PIECES;
        self.control.check()
    }
}

/// Sorts, equal items staying in their order, and goes on only while the query may.
///
/// # Errors
/// Those of [`Control::check`], and of the memory that it takes: as much as the items.
pub(crate) fn sort_by<T: Copy>(
    control: &Control,
    items: &mut Vec<T>,
    compare: impl Fn(&T, &T) -> Ordering,
) -> Result<(), QueryError> {
    let mut sorted = PIECES / 8;
    for run in items.chunks_mut(sorted) {
        run.sort_by(&compare);
        control.check()?;
    }
    if items.len() <= sorted {
        return Ok(());
    }
    let _held = control.reserve(size_of_val(items.as_slice()) as u64)?;
    let mut merged = Vec::with_capacity(items.len());
    let mut pace = Pace::new(control);
    while sorted < items.len() {
        for pair in items.chunks(2 * sorted) {
            let (left, right) = pair.split_at(sorted.min(pair.len()));
            merge(left, right, &compare, &mut merged, &mut pace)?;
        }
        std::mem::swap(items, &mut merged);
        merged.clear();
        sorted *= 2;
    }
    Ok(())
}

/// Appends the items of two sorted runs in their order.
fn merge<T: Copy>(
    mut left: &[T],
    mut right: &[T],
    compare: impl Fn(&T, &T) -> Ordering,
    merged: &mut Vec<T>,
    pace: &mut Pace<'_>,
) -> Result<(), QueryError> {
    while let ([first, rest @ ..], [other, others @ ..]) = (left, right) {
        pace.did(4)?;
        if compare(first, other).is_le() {
            merged.push(*first);
            left = rest;
        } else {
            merged.push(*other);
            right = others;
        }
    }
    merged.extend_from_slice(left);
    merged.extend_from_slice(right);
    Ok(())
}

#[cfg(test)]
mod tests {
    use latewood_base::{Clock, Rng};

    use super::*;
    use crate::QueryLimits;

    #[test]
    fn long_lists_are_sorted_as_short_ones_are() {
        let control = Control::new(Clock::manual(0).0, QueryLimits::NONE);
        let rng = Rng::seeded(7);
        for length in [0, 1, 5, PIECES / 8, PIECES / 8 + 1, 3 * PIECES + 17] {
            let mut items: Vec<(u64, usize)> = (0..length).map(|number| (rng.below(1_000), number)).collect();
            let mut expected = items.clone();
            expected.sort_by_key(|item| item.0);
            sort_by(&control, &mut items, |a, b| a.0.cmp(&b.0)).unwrap();
            assert_eq!(items, expected, "{length}");
        }
        assert_eq!(control.bytes(), 0);
    }

    #[test]
    fn work_ends_with_the_query() {
        let control = Control::new(Clock::manual(0).0, QueryLimits::NONE);
        let mut pace = Pace::new(&control);
        control.cancel();
        let done = (0..).take_while(|_| pace.did(1).is_ok()).count();
        assert!(done < PIECES);
        let sorted = sort_by(&control, &mut vec![2, 1], Ord::cmp);
        assert!(matches!(sorted, Err(QueryError::Canceled)));
    }
}
