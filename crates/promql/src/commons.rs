//! What the queries of a process share: memory, and turns for those that run long.
//!
//! A query that has run for a while goes on by turns with the others that have, so that however many they are,
//! there are cores for the short ones.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use latewood_base::Turns;

/// How long a query runs before it goes on by turns only.
pub(crate) const LONG: Duration = Duration::from_millis(100);

/// How long a turn lasts where others wait.
pub(crate) const TURN: Duration = Duration::from_millis(50);

/// See the module.
#[derive(Debug)]
pub(crate) struct Commons {
    max_bytes: u64,
    bytes: AtomicU64,
    /// Of long work of all sorts.
    pub(crate) turns: Arc<Turns>,
}

impl Commons {
    /// With so many bytes for all queries.
    pub(crate) fn new(max_bytes: u64, turns: Arc<Turns>) -> Self {
        Self { max_bytes, bytes: AtomicU64::new(0), turns }
    }

    /// How many bytes all queries may hold.
    pub(crate) fn max_bytes(&self) -> u64 {
        self.max_bytes
    }

    /// Takes bytes from what all may hold; whether there were so many left.
    pub(crate) fn take_bytes(&self, bytes: u64) -> bool {
        let within = |now: u64| now.checked_add(bytes).filter(|&sum| sum <= self.max_bytes);
        self.bytes.fetch_update(Relaxed, Relaxed, within).is_ok()
    }

    /// Gives bytes back.
    pub(crate) fn give_bytes(&self, bytes: u64) {
        self.bytes.fetch_sub(bytes, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_shared() {
        let commons = Commons::new(100, Arc::new(Turns::new(1)));
        assert!(commons.take_bytes(60) && !commons.take_bytes(60));
        commons.give_bytes(60);
        assert!(commons.take_bytes(100) && !commons.take_bytes(u64::MAX));
    }
}
