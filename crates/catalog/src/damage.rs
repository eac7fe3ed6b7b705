//! Objects of a log that cannot be read, for people: readers pass over what they can do without.

use futures::{StreamExt, stream};
use latewood_objstore::BucketError;

use crate::{CatalogError, TenantCatalog};

impl TenantCatalog {
    /// Reads every commit and every checkpoint that is there; says which cannot be read, and which commits are missing
    /// between others. Lists: never on a hot path.
    ///
    /// # Errors
    /// [`CatalogError::Bucket`] when the bucket does not answer.
    pub async fn damage(&self) -> Result<Vec<CatalogError>, CatalogError> {
        let log = self.log();
        let (mut found, mut before) = (Vec::new(), None);
        let commits = log.commits_after(0).await?;
        let sequences = stream::iter(commits.iter().map(|(sequence, _)| *sequence));
        let read = async |sequence| (sequence, log.read_commit(sequence).await);
        let mut reads = sequences.map(read).buffered(log.shared.config.read_concurrency);
        while let Some((sequence, commit)) = reads.next().await {
            found.extend(damage_of(commit)?);
            if let Some(before) = before.replace(sequence)
                && before + 1 < sequence
            {
                found.push(log.missing(before + 1, sequence));
            }
        }
        // One at a time: they are large.
        for (version, _) in log.checkpoints().await? {
            found.extend(damage_of(log.read_checkpoint(version).await)?);
        }
        found.extend(damage_of(log.hinted().await)?);
        Ok(found)
    }
}

/// What is wrong with an object that was read; nothing when it was pruned since the listing.
fn damage_of<T>(read: Result<T, CatalogError>) -> Result<Option<CatalogError>, CatalogError> {
    match read {
        Ok(_) | Err(CatalogError::Bucket(BucketError::NotFound { .. })) => Ok(None),
        Err(error @ CatalogError::Bucket(BucketError::TooLarge { .. })) => Ok(Some(error)),
        Err(error @ (CatalogError::Bucket(_) | CatalogError::Cut(_))) => Err(error),
        Err(damage) => Ok(Some(damage)),
    }
}
