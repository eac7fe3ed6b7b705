//! A token bucket: pure.

use std::time::Duration;

/// Fills up to a burst, at a rate; who takes more than is in it gets nothing.
#[derive(Clone, Copy, Debug)]
pub(super) struct TokenBucket {
    tokens: f64,
    /// When it had as many, by [`latewood_base::Clock::elapsed`].
    at: Duration,
}

/// Why nothing was taken.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Short {
    /// There will be enough after this time, if nobody else takes any.
    For(Duration),
    /// It never holds as much.
    Ever,
}

impl TokenBucket {
    /// A full one.
    pub(super) fn full(burst: u64, now: Duration) -> Self {
        Self { tokens: burst as f64, at: now }
    }

    /// Takes `count` tokens or none. The rate is in tokens a second, above 0, and may be another one each time.
    pub(super) fn take(&mut self, count: u64, rate: f64, burst: u64, now: Duration) -> Result<(), Short> {
        self.fill(rate, burst, now);
        if count > burst {
            return Err(Short::Ever);
        }
        let missing = count as f64 - self.tokens;
        if missing > 0.0 {
            let wait = Duration::try_from_secs_f64(missing / rate);
            return Err(wait.map_or(Short::Ever, Short::For));
        }
        self.tokens -= count as f64;
        Ok(())
    }

    /// Gives back what was taken for nothing.
    pub(super) fn give_back(&mut self, count: u64, burst: u64) {
        self.tokens = (self.tokens + count as f64).min(burst as f64);
    }

    /// Whether it is as good as a new one.
    pub(super) fn is_full(&self, rate: f64, burst: u64, now: Duration) -> bool {
        let mut filled = *self;
        filled.fill(rate, burst, now);
        filled.tokens >= burst as f64
    }

    fn fill(&mut self, rate: f64, burst: u64, now: Duration) {
        let passed = now.saturating_sub(self.at).as_secs_f64();
        self.tokens = (self.tokens + passed * rate).min(burst as f64);
        self.at = self.at.max(now);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn it_says_how_long_to_wait_and_that_is_enough() {
        let mut bucket = TokenBucket::full(100, Duration::ZERO);
        assert_eq!(bucket.take(101, 10.0, 100, Duration::ZERO), Err(Short::Ever));
        assert_eq!(bucket.take(80, 10.0, 100, Duration::ZERO), Ok(()));
        let Err(Short::For(wait)) = bucket.take(50, 10.0, 100, Duration::ZERO) else { panic!("not short") };
        assert_eq!(wait, Duration::from_secs(3));
        let before = wait - Duration::from_millis(10);
        assert!(bucket.take(50, 10.0, 100, before).is_err());
        assert_eq!(bucket.take(50, 10.0, 100, wait), Ok(()));
        assert!(!bucket.is_full(10.0, 100, wait));
        bucket.give_back(50, 100);
        assert!(bucket.take(51, 10.0, 100, wait).is_err());
        assert!(bucket.is_full(10.0, 100, wait + Duration::from_secs(5)));
    }

    proptest! {
        /// From any moment on, at most the burst and what the rate gives; and a sender that stays below both is never refused.
        #[test]
        fn no_window_gets_more_than_the_burst_and_the_rate(
            rate in 1_u32..1000, burst in 1_u64..2000,
            takes in prop::collection::vec((0_u64..3000, 0_u64..5000), 1..60),
        ) {
            let rate = f64::from(rate);
            let mut bucket = TokenBucket::full(burst, Duration::ZERO);
            let (mut now, mut taken) = (Duration::ZERO, Vec::new());
            for (count, pause) in takes {
                now += Duration::from_millis(pause);
                let before = bucket;
                match bucket.take(count, rate, burst, now) {
                    Ok(()) => taken.push((now, count)),
                    Err(Short::Ever) => prop_assert!(count > burst),
                    Err(Short::For(wait)) => {
                        prop_assert!(!before.is_full(rate, burst, now) && wait.as_secs_f64() <= burst as f64 / rate + 1e-6);
                    }
                }
            }
            for (first, (since, _)) in taken.iter().enumerate() {
                let mut sum = 0;
                for (at, count) in &taken[first..] {
                    sum += count;
                    let given = burst as f64 + rate * (*at - *since).as_secs_f64();
                    prop_assert!(sum as f64 <= given + 1e-6, "{sum} of {given}");
                }
            }
        }
    }
}
