//! Randomness and ids from one seedable source.

use std::sync::Arc;

use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use ulid::Ulid;

use crate::Clock;

/// A shared source of random numbers: seeded by the system, or by a test.
#[derive(Clone, Debug)]
pub struct Rng(Arc<Mutex<StdRng>>);

impl Rng {
    /// Seeded by the operating system.
    #[must_use]
    pub fn system() -> Self {
        Self(Arc::new(Mutex::new(rand::make_rng())))
    }

    /// The same numbers for the same seed.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(StdRng::seed_from_u64(seed))))
    }

    /// Any 64 bits.
    #[must_use]
    pub fn next_u64(&self) -> u64 {
        self.0.lock().random()
    }

    /// A number below `bound`, or 0 when `bound` is 0.
    #[must_use]
    pub fn below(&self, bound: u64) -> u64 {
        if bound == 0 { 0 } else { self.0.lock().random_range(0..bound) }
    }

    /// A number in [0, 1).
    #[must_use]
    pub fn unit(&self) -> f64 {
        self.0.lock().random()
    }
}

/// Makes ULIDs: 48 bits of wall-clock milliseconds, then 80 random bits.
#[derive(Clone, Debug)]
pub struct Ids {
    clock: Clock,
    rng: Rng,
}

impl Ids {
    /// Ids from this clock and this randomness.
    #[must_use]
    pub fn new(clock: Clock, rng: Rng) -> Self {
        Self { clock, rng }
    }

    /// A new id.
    #[must_use]
    pub fn next(&self) -> Ulid {
        let time_ms = u64::try_from(self.clock.now_ms()).unwrap_or(0);
        let random = (u128::from(self.rng.next_u64()) << 64) | u128::from(self.rng.next_u64());
        Ulid::from_parts(time_ms, random)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_ids() {
        let ids = |seed| {
            let (clock, _) = Clock::manual(1_700_000_000_000);
            let ids = Ids::new(clock, Rng::seeded(seed));
            (ids.next(), ids.next())
        };
        assert_eq!(ids(7), ids(7));
        assert_ne!(ids(7), ids(8));
        assert_eq!(ids(7).0.timestamp_ms(), 1_700_000_000_000);
    }
}
