//! Old commits and checkpoints that nobody will read again.
//!
//! A view that was last compared with the log longer ago than `reload_after` is loaded afresh before it is
//! relied on, so nobody asks for a commit that has been covered by a checkpoint for far longer than that.

use latewood_model::TimestampMs;
use latewood_objstore::ObjectInfo;

use crate::{CatalogError, MAX_AUDIT_ENTRIES, TenantCatalog, keys};

/// How many of the newest checkpoints stay whatever their age.
const KEPT_CHECKPOINTS: usize = 2;

/// The keys that may go, in the order in which they go; all only after `keep_ms`. First checkpoints, then the commits that
/// the oldest checkpoint left covers: a checkpoint that is there has all commits after it. Of both the oldest go first, so
/// that what stays has no gap.
#[must_use]
pub(crate) fn plan_prune(
    checkpoints: &[(u64, ObjectInfo)],
    commits: &[(u64, ObjectInfo)],
    now_ms: TimestampMs,
    keep_ms: i64,
) -> Vec<String> {
    let old = |info: &ObjectInfo| now_ms.saturating_sub(info.modified_ms) >= keep_ms;
    let spare = checkpoints.len().saturating_sub(KEPT_CHECKPOINTS);
    // The first that must stay ends it.
    let gone = checkpoints.iter().take(spare).take_while(|(_, info)| old(info)).count();
    let covered = match checkpoints.get(gone) {
        Some((version, _)) if checkpoints.len() >= KEPT_CHECKPOINTS => *version,
        _ => 0,
    };
    let commits = commits.iter().take_while(|(sequence, info)| *sequence <= covered && old(info));
    checkpoints.iter().take(gone).chain(commits).map(|(_, info)| info.key.clone()).collect()
}

impl TenantCatalog {
    /// Deletes commits and checkpoints that nobody will read again; says how many. Mends the hint, and keeps the audit entries
    /// few, too.
    ///
    /// # Errors
    /// [`CatalogError::Bucket`]; what was deleted until then stays deleted, and the log whole.
    pub async fn prune(&self) -> Result<usize, CatalogError> {
        let log = self.log();
        let keep_ms = i64::try_from(log.shared.config.keep_commits_seconds.saturating_mul(1_000));
        let checkpoints = log.checkpoints().await?;
        self.mend_hint(checkpoints.last().map(|(version, _)| *version)).await?;
        let commits = log.commits_after(0).await?;
        let now_ms = log.shared.clock.now_ms();
        let keys = plan_prune(&checkpoints, &commits, now_ms, keep_ms.unwrap_or(i64::MAX));
        for key in &keys {
            log.shared.bucket.delete(key).await?;
        }
        self.prune_audit(MAX_AUDIT_ENTRIES).await?;
        Ok(keys.len())
    }

    /// A hint that is lost, damaged or old costs each reader a listing, or many commits.
    async fn mend_hint(&self, newest: Option<u64>) -> Result<(), CatalogError> {
        let (log, Some(newest)) = (self.log(), newest) else { return Ok(()) };
        let is_good = match log.hinted().await {
            // A checkpoint that was written since the listing is there.
            Ok(Some(hinted)) if hinted > newest => {
                log.is_there(&keys::checkpoint(&log.tenant, hinted)).await?
            }
            Ok(hinted) => hinted == Some(newest),
            Err(CatalogError::Corrupt { .. } | CatalogError::UnknownFormat { .. }) => false,
            Err(error) => return Err(error),
        };
        if is_good { Ok(()) } else { log.write_hint(newest).await }
    }
}
