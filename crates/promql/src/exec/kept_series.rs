//! The series that an aggregation keeps elements of, known by number.

use latewood_model::Labels;

use super::row::Row;
use crate::{QueryError, Reservation};

/// Below this many series nobody looks which of them are still needed.
const FEW: usize = 1_024;

/// Series by number. Those of which no element is left are dropped when they are as many as the others.
pub(super) struct KeptSeries {
    /// Whose elements are kept, and whether their names go at the end.
    all: Vec<(Labels, bool)>,
    /// With this many it is worth to look which are still needed.
    sweep_at: usize,
}

impl KeptSeries {
    /// None yet.
    pub(super) fn new() -> Self {
        Self { all: Vec::new(), sweep_at: FEW }
    }

    /// The number of the next series that is kept.
    pub(super) fn next(&self) -> Result<u32, QueryError> {
        u32::try_from(self.all.len()).map_err(|_| QueryError::execution("too many series in an aggregation"))
    }

    /// Keeps a row's series under the next number.
    pub(super) fn keep(&mut self, row: Row<'_>, held: &mut Reservation) -> Result<(), QueryError> {
        held.grow(bytes_of(row.labels))?;
        self.all.push((row.labels.clone(), row.drops_name));
        Ok(())
    }

    /// The series of a number.
    pub(super) fn get(&self, number: u32) -> Option<&(Labels, bool)> {
        self.all.get(number as usize)
    }

    /// Whether there are so many that it is worth to [`Self::sweep`].
    pub(super) fn are_many(&self) -> bool {
        self.all.len() >= self.sweep_at
    }

    /// Drops the series that none of these numbers names, and gives the others new numbers.
    pub(super) fn sweep<'a>(&mut self, numbers: impl Iterator<Item = &'a mut u32>, held: &mut Reservation) {
        let mut renumbered: Vec<Option<u32>> = vec![None; self.all.len()];
        let mut left = Vec::new();
        for number in numbers {
            let Some(place) = renumbered.get_mut(*number as usize) else { continue };
            let Some(series) = self.all.get_mut(*number as usize) else { continue };
            *number = *place.get_or_insert_with(|| {
                left.push(std::mem::take(series));
                // Fewer than there were.
                left.len() as u32 - 1
            });
        }
        let dropped = self.all.iter().zip(renumbered).filter(|(_, kept)| kept.is_none());
        held.shrink(dropped.map(|((labels, _), _)| bytes_of(labels)).sum());
        self.sweep_at = FEW.max(2 * left.len());
        self.all = left;
    }
}

fn bytes_of(labels: &Labels) -> u64 {
    (labels.heap_size() + size_of::<(Labels, bool)>()) as u64
}

#[cfg(test)]
mod tests {
    use latewood_base::Clock;

    use super::*;
    use crate::{Control, QueryLimits};

    #[test]
    fn series_without_elements_go_and_the_others_stay_who_they_are() {
        let control = Control::new(Clock::manual(0).0, QueryLimits::NONE);
        let (mut held, mut kept) = (control.reserve(0).unwrap(), KeptSeries::new());
        let labels = |number: u32| Labels::from_pairs([("n", format!("{number:05}"))]);
        let mut numbers: Vec<u32> = Vec::new();
        for number in 0..5_000 {
            let next = kept.next().unwrap();
            kept.keep(Row::of_floats(&labels(number), &[]), &mut held).unwrap();
            // Each series takes the place of one before.
            if numbers.len() < 10 {
                numbers.push(next);
            } else {
                numbers[number as usize % 10] = next;
            }
            if kept.are_many() {
                kept.sweep(numbers.iter_mut(), &mut held);
                assert_eq!(kept.all.len(), 10);
            }
            assert!(control.bytes() <= FEW as u64 * bytes_of(&labels(0)));
        }
        for (place, number) in numbers.iter().enumerate() {
            assert_eq!(kept.get(*number).unwrap().0, labels(4_990 + place as u32));
        }
        // Two elements of one series.
        let mut twice = [numbers[3], numbers[3]];
        kept.sweep(twice.iter_mut(), &mut held);
        assert_eq!((twice, kept.all.len()), ([0, 0], 1));
        assert_eq!((kept.get(0).unwrap().0.clone(), control.bytes()), (labels(4_993), bytes_of(&labels(0))));
    }
}
