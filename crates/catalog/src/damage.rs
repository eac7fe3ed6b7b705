//! Objects of a log that cannot be read, for people: readers pass over what they can do without.

use futures::{StreamExt, stream};

use crate::{CatalogError, TenantCatalog};

impl TenantCatalog {
    /// Reads every commit and every checkpoint that is there; says which cannot be read, and which commits are missing
    /// between others. Lists: never on a hot path.
    ///
    /// # Errors
    /// [`CatalogError::Bucket`] when the bucket cannot be listed.
    pub async fn damage(&self) -> Result<Vec<CatalogError>, CatalogError> {
        let log = self.log();
        let (mut found, mut before) = (Vec::new(), None);
        let commits = log.commits_after(0).await?;
        let sequences = stream::iter(commits.iter().map(|(sequence, _)| *sequence));
        let read = async |sequence| (sequence, log.read_commit(sequence).await);
        let mut reads = sequences.map(read).buffered(log.shared.config.read_concurrency);
        while let Some((sequence, commit)) = reads.next().await {
            found.extend(commit.err());
            if let Some(before) = before.replace(sequence)
                && before + 1 < sequence
            {
                found.push(log.missing(before + 1, sequence));
            }
        }
        // One at a time: they are large.
        for (version, _) in log.checkpoints().await? {
            found.extend(log.read_checkpoint(version).await.err());
        }
        if let Err(error) = log.hinted().await {
            found.push(error);
        }
        Ok(found)
    }
}
