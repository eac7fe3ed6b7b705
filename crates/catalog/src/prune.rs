//! Old commits and checkpoints that nobody will read again.
//!
//! A view that was last compared with the log longer ago than `reload_after` is loaded afresh before it is
//! relied on, so nobody asks for a commit that has been covered by a checkpoint for far longer than that.

use latewood_model::TimestampMs;
use latewood_objstore::ObjectInfo;

use crate::{CatalogError, TenantCatalog};

/// How many of the newest checkpoints stay whatever their age.
const KEPT_CHECKPOINTS: usize = 2;

/// The keys that may go, in the order in which they go: oldest first, so that what stays has no gap.
/// Commits go only where the older one of two checkpoints covers them, and all only after `keep_ms`.
#[must_use]
pub(crate) fn plan_prune(
    checkpoints: &[(u64, ObjectInfo)],
    commits: &[(u64, ObjectInfo)],
    now_ms: TimestampMs,
    keep_ms: i64,
) -> Vec<String> {
    let Some(oldest_kept) = checkpoints.len().checked_sub(KEPT_CHECKPOINTS) else {
        return Vec::new();
    };
    let covered = checkpoints.get(oldest_kept).map_or(0, |(version, _)| *version);
    let old = |info: &ObjectInfo| now_ms.saturating_sub(info.modified_ms) >= keep_ms;
    // The first commit that must stay ends it.
    let commits = commits.iter().take_while(|(sequence, info)| *sequence <= covered && old(info));
    let checkpoints = checkpoints.iter().take(oldest_kept).filter(|(_, info)| old(info));
    commits.chain(checkpoints).map(|(_, info)| info.key.clone()).collect()
}

impl TenantCatalog {
    /// Deletes commits and checkpoints that nobody will read again; says how many.
    ///
    /// # Errors
    /// [`CatalogError::Bucket`]; what was deleted until then stays deleted, and the log whole.
    pub async fn prune(&self) -> Result<usize, CatalogError> {
        let log = self.log();
        let keep_ms = i64::try_from(log.shared.config.keep_commits_seconds.saturating_mul(1_000));
        let checkpoints = log.checkpoints().await?;
        let commits = log.commits_after(0).await?;
        let now_ms = log.shared.clock.now_ms();
        let keys = plan_prune(&checkpoints, &commits, now_ms, keep_ms.unwrap_or(i64::MAX));
        for key in &keys {
            log.shared.bucket.delete(key).await?;
        }
        Ok(keys.len())
    }
}
