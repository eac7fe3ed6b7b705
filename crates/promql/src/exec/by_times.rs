//! What was found out about vectors of times, remembered: series that were scraped together share theirs.

use std::sync::Arc;

use latewood_model::TimestampMs;

use super::Grid;
use crate::{Control, QueryError, Reservation};

/// Steps of which something is remembered: as much as a small tile.
const REMEMBERED_STEPS: usize = 8_192;

/// Vectors of times that are remembered at most.
const MAX_REMEMBERED: usize = 64;

/// Longer vectors are not remembered: they would be held beyond the batch of series that they came with.
const MAX_TIMES: usize = 8_192;

/// Remembers something for each step of a grid, by vectors of times.
pub(super) struct ByTimes<T> {
    /// By address; the times are held, so that the address stays theirs.
    slots: Vec<Option<(Arc<[TimestampMs]>, T)>>,
    _held: Reservation,
}

impl<T: Clone> ByTimes<T> {
    /// Remembers nothing yet. Of each step there will be an `Item`.
    pub(super) fn new<Item>(control: &Control, grid: Grid) -> Result<Self, QueryError> {
        let slots = (REMEMBERED_STEPS / grid.len()).clamp(1, MAX_REMEMBERED);
        let items = (slots * size_of::<Item>()).saturating_mul(grid.len());
        // As long as most are; a few may be longer.
        let bytes = items.saturating_add(slots * MAX_TIMES / 8 * size_of::<TimestampMs>());
        let held = control.reserve(bytes as u64)?;
        Ok(Self { slots: vec![None; slots], _held: held })
    }

    /// What is known of these times.
    pub(super) fn get(&self, times: &Arc<[TimestampMs]>) -> Option<T> {
        let (known, found) = self.slots.get(self.slot(times))?.as_ref()?;
        Arc::ptr_eq(known, times).then(|| found.clone())
    }

    /// Remembers what was found out about these times.
    pub(super) fn put(&mut self, times: &Arc<[TimestampMs]>, found: T) {
        if times.len() > MAX_TIMES {
            return;
        }
        let slot = self.slot(times);
        if let Some(slot) = self.slots.get_mut(slot) {
            *slot = Some((Arc::clone(times), found));
        }
    }

    fn slot(&self, times: &Arc<[TimestampMs]>) -> usize {
        // Allocators align to sizes, so that the low bits of addresses tell little: Fibonacci hashing takes the high ones
        // of a product (Knuth, The Art of Computer Programming, volume 3, 6.4).
        let spread = (times.as_ptr().addr() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        spread as usize % self.slots.len()
    }
}
