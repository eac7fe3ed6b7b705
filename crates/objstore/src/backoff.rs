//! How long to wait between attempts, and the loop that does it.

use std::future::Future;
use std::time::Duration;

use latewood_base::Rng;

use crate::{BucketConfig, BucketError};

/// Exponential pauses with jitter: attempt n waits between half and all of `initial * 2^n`, at most `max`.
#[derive(Clone, Debug)]
pub(crate) struct Backoff {
    retries: u32,
    initial: Duration,
    max: Duration,
    rng: Rng,
}

impl Backoff {
    pub(crate) fn new(config: &BucketConfig, rng: Rng) -> Self {
        Self {
            retries: config.retries,
            initial: Duration::from_millis(config.retry_initial_ms),
            max: Duration::from_millis(config.retry_max_ms),
            rng,
        }
    }

    /// The pause after the attempt of this number, the first being 0.
    pub(crate) fn pause(&self, attempt: u32) -> Duration {
        let doubled = self.initial.saturating_mul(1_u32.checked_shl(attempt).unwrap_or(u32::MAX));
        doubled.min(self.max).mul_f64(0.5 + self.rng.unit() / 2.0)
    }

    /// Runs `attempt` until it gives anything but [`BucketError::Unavailable`], or the retries are used up.
    /// Only for what may be done twice.
    pub(crate) async fn run<T, F, A>(&self, mut attempt: A) -> Result<T, BucketError>
    where
        F: Future<Output = Result<T, BucketError>>,
        A: FnMut() -> F,
    {
        for number in 0..self.retries {
            match attempt().await {
                Err(BucketError::Unavailable { key, message }) => {
                    tracing::debug!(%key, %message, attempt = number, "the bucket did not answer, trying again");
                    tokio::time::sleep(self.pause(number)).await;
                }
                settled => return settled,
            }
        }
        attempt().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_and_never_overflow() {
        let backoff = Backoff::new(&BucketConfig::default(), Rng::seeded(1));
        for (attempt, most_ms) in [(0, 100), (1, 200), (3, 800), (12, 10_000), (40, 10_000)] {
            let pause = backoff.pause(attempt);
            let most = Duration::from_millis(most_ms);
            assert!(pause <= most && pause >= most / 2, "{attempt}: {pause:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn only_what_was_not_answered_is_tried_again_and_not_for_ever() {
        let backoff = Backoff::new(&BucketConfig::default(), Rng::seeded(1));
        let attempts = async |answers: Vec<Result<(), BucketError>>| {
            let mut count = 0;
            let outcome = backoff.run(|| {
                count += 1;
                let answer = answers.get(count - 1).or(answers.last()).cloned();
                std::future::ready(answer.unwrap_or(Ok(())))
            });
            let outcome = outcome.await;
            (count, outcome)
        };
        let off = || Err(BucketError::Unavailable { key: "k".to_owned(), message: "off".to_owned() });
        let missing = || Err(BucketError::NotFound { key: "k".to_owned() });
        assert_eq!(attempts(vec![off(), off(), Ok(())]).await, (3, Ok(())));
        assert_eq!(attempts(vec![off(), missing()]).await, (2, missing()));
        assert_eq!(attempts(vec![off()]).await, (6, off()));
    }
}
