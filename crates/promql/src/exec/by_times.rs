//! What was found out about vectors of times, remembered: series that were scraped together share theirs.

use std::sync::Arc;

use latewood_model::TimestampMs;

use super::Grid;
use crate::{Control, Reservation};

/// Vectors of times that are remembered at most.
const MAX_REMEMBERED: usize = 64;

/// Bytes of these, and of what was found out about them, at most. A month of minutes takes a third of a megabyte.
const MAX_BYTES: u64 = 4 << 20;

/// Remembers something for each step of a grid, by vectors of times. Its memory is booked with the query; where that has
/// none left, nothing more is remembered.
pub(super) struct ByTimes<T> {
    /// By address; the times are held, so that the address stays theirs.
    slots: Vec<Option<(Arc<[TimestampMs]>, T)>>,
    /// Bytes of what is found out about a vector.
    found_bytes: u64,
    held: Reservation,
}

impl<T: Clone> ByTimes<T> {
    /// Remembers nothing yet. Of each step there will be an `Item`.
    pub(super) fn new<Item>(control: &Control, grid: Grid) -> Self {
        let found_bytes = (size_of::<Item>() as u64).saturating_mul(grid.len() as u64);
        Self { slots: vec![None; MAX_REMEMBERED], found_bytes, held: Reservation::new(control) }
    }

    /// What is known of these times.
    pub(super) fn get(&self, times: &Arc<[TimestampMs]>) -> Option<T> {
        let (known, found) = self.slots.get(self.slot(times))?.as_ref()?;
        Arc::ptr_eq(known, times).then(|| found.clone())
    }

    /// Remembers what was found out about these times.
    pub(super) fn put(&mut self, times: &Arc<[TimestampMs]>, found: T) {
        let bytes = self.bytes_of(times);
        if bytes > MAX_BYTES {
            return;
        }
        if self.held.booked()[0].saturating_add(bytes) > MAX_BYTES {
            self.slots.fill(None);
            self.held.shrink(u64::MAX);
        }
        let slot = self.slot(times);
        let before = self.slots.get_mut(slot).and_then(Option::take);
        self.held.shrink(before.map_or(0, |(before, _)| self.bytes_of(&before)));
        if self.held.grow(bytes).is_ok()
            && let Some(slot) = self.slots.get_mut(slot)
        {
            *slot = Some((Arc::clone(times), found));
        }
    }

    fn bytes_of(&self, times: &[TimestampMs]) -> u64 {
        self.found_bytes.saturating_add(size_of_val(times) as u64)
    }

    fn slot(&self, times: &Arc<[TimestampMs]>) -> usize {
        // Allocators align to sizes, so that the low bits of addresses tell little: Fibonacci hashing takes the high ones
        // of a product (Knuth, The Art of Computer Programming, volume 3, 6.4).
        let spread = (times.as_ptr().addr() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        spread as usize % self.slots.len()
    }
}

#[cfg(test)]
mod tests {
    use latewood_base::Clock;

    use super::*;
    use crate::QueryLimits;

    fn known(max_bytes: u64) -> (ByTimes<usize>, Control) {
        let control = Control::new(Clock::manual(0).0, QueryLimits { max_bytes, ..QueryLimits::NONE });
        let grid = Grid::new(0, 90, 10).unwrap().unwrap();
        (ByTimes::new::<usize>(&control, grid), control)
    }

    #[test]
    fn two_long_vectors_are_remembered_side_by_side() {
        let (mut known, control) = known(u64::MAX);
        let vectors: Vec<Arc<[i64]>> = (0..2).map(|_| (0..43_200).collect()).collect();
        vectors.iter().enumerate().for_each(|(number, times)| known.put(times, number));
        let found = vectors.iter().filter(|times| known.get(times).is_some()).count();
        // Unless both have the same slot.
        assert!(found == 2 || known.slot(&vectors[0]) == known.slot(&vectors[1]));
        assert_eq!(control.bytes(), found as u64 * (43_200 * 8 + 80));
        assert!(known.get(&(0..43_200).collect()).is_none());
    }

    #[test]
    fn memory_is_booked_and_bounded() {
        let (mut known, control) = known(u64::MAX);
        let vectors: Vec<Arc<[i64]>> = (0..100).map(|_| (0..43_200).collect()).collect();
        for (number, times) in vectors.iter().enumerate() {
            known.put(times, number);
            assert_eq!(known.get(times), Some(number));
            assert!(control.bytes() <= MAX_BYTES && control.bytes() >= 43_200 * 8);
        }
        drop(known);
        assert_eq!(control.bytes(), 0);
    }

    #[test]
    fn where_there_is_no_memory_nothing_is_remembered() {
        let (mut known, control) = known(100);
        let times: Arc<[i64]> = (0..3).collect();
        known.put(&times, 1);
        assert!(known.get(&times).is_none());
        assert_eq!(control.bytes(), 0);
    }
}
