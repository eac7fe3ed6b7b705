//! Whether the shard numbers of a data directory are its journal's own in the bucket that it is used with.
//!
//! A data directory that is started on another bucket, or under another prefix, has numbers that nobody claimed there, or
//! that another journal did: what one had flushed would hide what the other still holds (CAT-2).

use std::sync::Arc;
use std::time::Duration;

use latewood_base::{Shutdown, Ulid};
use latewood_catalog::{CatalogError, Catalogs};
use tokio::sync::OnceCell;

use super::FlushError;

/// The pause between looks at a bucket that does not answer.
const PAUSE: Duration = Duration::from_secs(5);

/// A shard number is not the journal's in this bucket.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the data directory belongs to another bucket or prefix: here its shard number {shard} is {}, and its journal is \
     {journal}. Give that bucket, or an empty data directory; what this one holds is not lost. If its bucket is no more, \
     move shards.json away: then the shards get numbers of this one",
    .claimant.map_or_else(|| "claimed by nobody".to_owned(), |other| format!("claimed by journal {other}"))
)]
pub struct ForeignNumber {
    /// The number.
    pub shard: u32,
    /// The journal of the data directory.
    pub journal: Ulid,
    /// Who has the number in the bucket, if anybody.
    pub claimant: Option<Ulid>,
}

/// The numbers of a data directory, held against the claims in the bucket once for the life of the process.
#[derive(Debug)]
pub struct OwnNumbers {
    catalogs: Arc<Catalogs>,
    journal: Ulid,
    shards: Vec<u32>,
    verdict: OnceCell<Result<(), ForeignNumber>>,
}

impl OwnNumbers {
    /// Numbers of which nothing is known yet. Those of the nil journal are from before there were claims, and are taken
    /// at their word.
    #[must_use]
    pub fn new(catalogs: Arc<Catalogs>, journal: Ulid, shards: Vec<u32>) -> Self {
        let verdict = if journal == Ulid::nil() { OnceCell::new_with(Some(Ok(()))) } else { OnceCell::new() };
        Self { catalogs, journal, shards, verdict }
    }

    /// Asks the bucket unless the verdict is known; callers at the same time share one look.
    ///
    /// # Errors
    /// [`FlushError::Foreign`] is final; after any other the next call asks again.
    pub async fn check(&self) -> Result<(), FlushError> {
        let verdict = self.verdict.get_or_try_init(|| self.look()).await?;
        Ok(verdict.clone()?)
    }

    /// Whether the numbers were found to be another's.
    #[must_use]
    pub fn are_foreign(&self) -> bool {
        self.verdict.get().is_some_and(Result::is_err)
    }

    /// Asks until the bucket answers, or the shutdown begins.
    pub async fn watch(self: Arc<Self>, shutdown: Shutdown) {
        while let Err(error) = self.check().await {
            if self.are_foreign() {
                tracing::error!(%error, "nothing is flushed");
                return;
            }
            tokio::select! {
                () = shutdown.begun() => return,
                () = tokio::time::sleep(PAUSE) => {}
            }
        }
    }

    async fn look(&self) -> Result<Result<(), ForeignNumber>, CatalogError> {
        for &shard in &self.shards {
            let (journal, claimant) = (self.journal, self.catalogs.claimant(shard).await?);
            if claimant != Some(journal) {
                return Ok(Err(ForeignNumber { shard, journal, claimant }));
            }
        }
        Ok(Ok(()))
    }
}
