//! Shard numbers: each is claimed by one journal, once, and never given again.
//!
//! `flushed[shard]` compares generations by their numbers, which means something only between generations of
//! one log. Two journals (of two nodes, or of one whose disk was lost) must therefore never flush under one
//! number: what the one had flushed would hide, and seem to contain, what the other still holds.

use std::time::Duration;

use bytes::Bytes;
use futures::TryStreamExt;
use latewood_base::{ErrorKind, Kinded, Ulid};
use latewood_model::TimestampMs;
use latewood_objstore::BucketError;
use serde::{Deserialize, Serialize};

use crate::envelope::{self, Kind};
use crate::{CatalogError, Catalogs, keys};

/// The first number that is claimed. Those below were used by journals from before there were claims.
pub const FIRST_CLAIMED_SHARD: u32 = 1024;
/// The most bytes of a claim's object.
const MAX_BYTES: u64 = 4_096;
/// How many numbers others may take before us in one round.
const MAX_RACES: u32 = 10_000;
/// How often a request is made that the bucket does not answer.
const MAX_ATTEMPTS: u32 = 64;
/// What waits, for the log.
const CLAIM: &str = "a claim of shard numbers";
/// The longest pause between attempts.
const MAX_PAUSE: Duration = Duration::from_secs(2);

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Claim {
    shard: u32,
    /// The journal that flushes under the number.
    journal: Ulid,
    at_ms: TimestampMs,
}

impl Catalogs {
    /// Claims `count` shard numbers that nobody ever had, for a journal that has just been begun. Numbers of
    /// a call that failed stay taken, which costs nothing but the numbers. Lists the claims: at a start only.
    ///
    /// # Errors
    /// [`CatalogError::Bucket`] when the bucket does not answer for longer than a commit may take.
    pub async fn claim_shards(&self, journal: Ulid, count: u32) -> Result<Vec<u32>, CatalogError> {
        let newest = self.patiently(CLAIM, || self.newest_claim()).await?;
        let mut next = newest.map_or(FIRST_CLAIMED_SHARD, |newest| newest.saturating_add(1));
        let (mut claimed, mut races) = (Vec::new(), 0);
        while claimed.len() < count as usize {
            let key = keys::shard_claim(next);
            let claim = Claim { shard: next, journal, at_ms: self.shared().clock.now_ms() };
            let object = envelope::encode(Kind::Shard, &claim)
                .map_err(|message| CatalogError::Corrupt { key: key.clone(), message })?;
            if self.patiently(CLAIM, || self.claim(&key, object.clone(), &claim)).await? {
                claimed.push(next);
            } else {
                races += 1;
                if races > MAX_RACES {
                    return Err(CatalogError::TooManyRaces {
                        tenant: keys::OURS.to_owned(),
                        attempts: races,
                    });
                }
            }
            next = next.saturating_add(1);
        }
        Ok(claimed)
    }

    /// The journal that has claimed a shard number in this bucket; none when nobody has.
    ///
    /// # Errors
    /// [`CatalogError`] when the bucket does not answer, or the claim cannot be read.
    pub async fn claimant(&self, shard: u32) -> Result<Option<Ulid>, CatalogError> {
        let key = keys::shard_claim(shard);
        let object = match self.shared().bucket.get(&key, MAX_BYTES).await {
            Err(BucketError::NotFound { .. }) => return Ok(None),
            object => object?,
        };
        Ok(Some(envelope::decode::<Claim>(Kind::Shard, &key, &object)?.journal))
    }

    async fn newest_claim(&self) -> Result<Option<u32>, CatalogError> {
        let folder = keys::shard_claims();
        let listing = self.shared().bucket.list(&folder, None);
        let number = |key: &str| keys::number(&folder, key).and_then(|number| u32::try_from(number).ok());
        let newest = listing.try_fold(None, |newest, info| {
            std::future::ready(Ok(newest.max(number(&info.key).filter(|number| *number < u32::MAX))))
        });
        Ok(newest.await?)
    }

    /// Whether the number is ours. A lost reply shows when the claim is read.
    async fn claim(&self, key: &str, object: Bytes, claim: &Claim) -> Result<bool, CatalogError> {
        let error = match self.shared().bucket.create(key, object).await {
            Ok(()) => return Ok(true),
            Err(error @ (BucketError::AlreadyExists { .. } | BucketError::Unavailable { .. })) => error,
            Err(error) => return Err(error.into()),
        };
        let standing = match self.shared().bucket.get(key, MAX_BYTES).await {
            Err(BucketError::NotFound { .. }) => return Err(error.into()),
            object => object?,
        };
        // One that cannot be read is somebody's all the same.
        let standing = envelope::decode::<Claim>(Kind::Shard, key, &standing);
        Ok(standing.is_ok_and(|standing| standing.journal == claim.journal))
    }

    /// Repeats what the bucket did not answer, for as long as a commit may take.
    pub(crate) async fn patiently<T, F>(
        &self,
        what: &str,
        mut attempt: impl FnMut() -> F,
    ) -> Result<T, CatalogError>
    where
        F: Future<Output = Result<T, CatalogError>>,
    {
        let shared = self.shared();
        let begun = shared.clock.elapsed();
        let mut pause = Duration::from_millis(shared.config.retry_initial_ms);
        for _ in 1..MAX_ATTEMPTS {
            let in_time = shared.clock.elapsed().saturating_sub(begun) <= shared.config.commit_timeout();
            match attempt().await {
                Err(error) if error.kind() == ErrorKind::Unavailable && in_time => {
                    tracing::warn!(%error, "{what} waits for the bucket");
                }
                done => return done,
            }
            tokio::time::sleep(pause).await;
            pause = pause.saturating_mul(2).min(MAX_PAUSE);
        }
        attempt().await
    }
}
