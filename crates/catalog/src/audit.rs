//! Who had what deleted, and when: objects beside the log, written before anything is done.
//!
//! Nothing decides by them; a deletion that failed has one all the same. The compactor keeps the newest.

use futures::TryStreamExt;
use latewood_base::Ulid;
use latewood_model::TimestampMs;
use serde::{Deserialize, Serialize};

use crate::envelope::{self, Kind};
use crate::{CatalogError, TenantCatalog, keys};

/// The most entries of a tenant that are kept; the oldest go.
pub const MAX_AUDIT_ENTRIES: usize = 10_000;
/// The most bytes of an entry's texts, each.
const MAX_TEXT_BYTES: usize = 4_096;
/// The most bytes of an entry's object: its texts may be escaped.
const MAX_BYTES: u64 = 128 << 10;

/// Something that was to be deleted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuditEntry {
    /// Its id, which begins with the time; the same one is written once however often it is asked for.
    pub id: Ulid,
    /// The writer's clock, in milliseconds since the Unix epoch.
    pub at_ms: TimestampMs,
    /// What was done: `delete_series`, `clean_tombstones`, `delete_tenant`, `keep_tenant`, `remove_blocks`, `rewrite`.
    pub action: String,
    /// Who asked for it, as far as is known.
    pub by: String,
    /// What exactly, for people.
    pub details: String,
}

impl AuditEntry {
    /// An entry of now; texts that are too long are cut.
    #[must_use]
    pub fn new(id: Ulid, at_ms: TimestampMs, action: &str, by: &str, details: &str) -> Self {
        let cut =
            |text: &str| text.get(..text.floor_char_boundary(MAX_TEXT_BYTES)).unwrap_or_default().to_owned();
        Self { id, at_ms, action: cut(action), by: cut(by), details: cut(details) }
    }
}

impl TenantCatalog {
    /// Writes an entry, durably, before what it tells of is done.
    ///
    /// # Errors
    /// [`CatalogError::Bucket`]; then it must not be done.
    pub async fn record(&self, entry: &AuditEntry) -> Result<(), CatalogError> {
        let key = keys::audit(self.tenant(), entry.id);
        let object = envelope::encode(Kind::Audit, entry);
        let object = object.map_err(|message| CatalogError::Corrupt { key: key.clone(), message })?;
        Ok(self.log().shared.bucket.put(&key, object).await?)
    }

    /// As [`TenantCatalog::record`], with an id and the clock of this process.
    ///
    /// # Errors
    /// As [`TenantCatalog::record`].
    pub async fn record_now(&self, action: &str, by: &str, details: &str) -> Result<(), CatalogError> {
        let shared = &self.log().shared;
        let entry = AuditEntry::new(shared.ids.next(), shared.clock.now_ms(), action, by, details);
        self.record(&entry).await
    }

    /// The newest entries, oldest first. Lists them.
    ///
    /// # Errors
    /// The first that cannot be read.
    pub async fn audit(&self, limit: usize) -> Result<Vec<AuditEntry>, CatalogError> {
        let ids = self.audit_ids().await?;
        let mut entries = Vec::new();
        for id in ids.get(ids.len().saturating_sub(limit)..).unwrap_or_default() {
            let key = keys::audit(self.tenant(), *id);
            let object = self.log().shared.bucket.get(&key, MAX_BYTES).await?;
            entries.push(envelope::decode(Kind::Audit, &key, &object)?);
        }
        Ok(entries)
    }

    /// Deletes the oldest entries beyond `most`; says how many.
    pub(crate) async fn prune_audit(&self, most: usize) -> Result<usize, CatalogError> {
        let ids = self.audit_ids().await?;
        let spare = ids.len().saturating_sub(most);
        for id in ids.iter().take(spare) {
            self.log().shared.bucket.delete(&keys::audit(self.tenant(), *id)).await?;
        }
        Ok(spare)
    }

    async fn audit_ids(&self) -> Result<Vec<Ulid>, CatalogError> {
        let listing = self.log().shared.bucket.list(&keys::audit_folder(self.tenant()), None);
        let objects: Vec<_> = listing.try_collect().await?;
        let mut ids: Vec<Ulid> =
            objects.iter().filter_map(|object| keys::audit_id(self.tenant(), &object.key)).collect();
        ids.sort_unstable();
        Ok(ids)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use latewood_base::{Clock, Ids, Rng};
    use latewood_model::TenantId;
    use latewood_objstore::MemoryBucket;

    use super::*;
    use crate::{CatalogConfig, Catalogs};

    #[tokio::test]
    async fn entries_are_kept_in_order_and_bounded() {
        let (clock, hand) = Clock::manual(5_000);
        let ids = Ids::new(clock.clone(), Rng::seeded(1));
        let bucket = Arc::new(MemoryBucket::new());
        let catalogs = Catalogs::new(bucket, clock, ids, CatalogConfig::default());
        let catalog = catalogs.tenant(&TenantId::anonymous());
        assert_eq!(catalog.audit(9).await.unwrap(), []);
        for number in 0..4 {
            hand.advance(std::time::Duration::from_secs(1));
            catalog
                .record_now("delete_series", "ann", &format!("{number}{}", "ä".repeat(9_000)))
                .await
                .unwrap();
        }
        let entries = catalog.audit(3).await.unwrap();
        let first = |entry: &AuditEntry| entry.details.chars().next().unwrap();
        assert_eq!(entries.iter().map(first).collect::<String>(), "123");
        assert_eq!((entries[0].at_ms, entries[0].details.len()), (7_000, MAX_TEXT_BYTES - 1));
        catalog.record(&entries[2]).await.unwrap();
        assert_eq!(catalog.prune_audit(2).await.unwrap(), 2);
        assert_eq!(catalog.audit(9).await.unwrap(), entries[1..]);
    }
}
