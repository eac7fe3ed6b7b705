//! Type, help and unit of each tenant's metrics as last written, in memory.
//!
//! Bounded by metrics a tenant and by bytes of all tenants together: what does not fit is not kept.
//! It does not survive a restart; senders repeat it every minute.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use hashbrown::HashMap;
use latewood_model::{MetricMetadata, MetricType, TenantId};
use parking_lot::RwLock;

use crate::PushConfig;

type Metrics = BTreeMap<String, MetricMetadata>;

/// Metadata of one metric, borrowed from a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MetadataRef<'a> {
    /// The metric family's name.
    pub metric: &'a str,
    /// Its type.
    pub metric_type: MetricType,
    /// Its help text.
    pub help: &'a str,
    /// Its unit.
    pub unit: &'a str,
}

/// Keeps metadata of all tenants.
#[derive(Debug)]
pub struct MetadataStore {
    per_tenant: usize,
    max_bytes: usize,
    max_length: usize,
    bytes: AtomicUsize,
    tenants: RwLock<HashMap<TenantId, Arc<RwLock<Metrics>>>>,
}

impl MetadataStore {
    /// An empty store with the limits of the settings.
    #[must_use]
    pub fn new(config: &PushConfig) -> Self {
        Self {
            per_tenant: config.max_metadata_per_tenant,
            max_bytes: config.max_metadata_bytes,
            max_length: config.max_metadata_length,
            bytes: AtomicUsize::new(0),
            tenants: RwLock::default(),
        }
    }

    /// Takes what a request says of its metrics. Returns how many were not kept for want of room.
    pub fn update<'a>(&self, tenant: &TenantId, updates: impl Iterator<Item = MetadataRef<'a>>) -> usize {
        let mut updates = updates.peekable();
        if updates.peek().is_none() {
            return 0;
        }
        let mine = self.tenant(tenant);
        let mut dropped = 0;
        let mut before = None;
        for update in updates {
            // Series of one metric stand next to each other in 2.0 and all say the same.
            if before.replace(update) != Some(update) && !self.put(&mine, update) {
                dropped += 1;
            }
        }
        dropped
    }

    /// Metadata by metric in the order of names: of all metrics, or of one; at most `limit` (0: all).
    #[must_use]
    pub fn query(
        &self,
        tenant: &TenantId,
        metric: Option<&str>,
        limit: usize,
    ) -> Vec<(String, MetricMetadata)> {
        let Some(mine) = self.tenants.read().get(tenant).map(Arc::clone) else {
            return Vec::new();
        };
        let mine = mine.read();
        let limit = if limit == 0 { usize::MAX } else { limit };
        let owned = |(name, metadata): (&String, &MetricMetadata)| (name.clone(), metadata.clone());
        match metric {
            Some(metric) => mine.get_key_value(metric).map(owned).into_iter().collect(),
            None => mine.iter().take(limit).map(owned).collect(),
        }
    }

    /// Bytes that all tenants' metadata holds.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    fn tenant(&self, tenant: &TenantId) -> Arc<RwLock<Metrics>> {
        if let Some(mine) = self.tenants.read().get(tenant) {
            return Arc::clone(mine);
        }
        Arc::clone(self.tenants.write().entry(tenant.clone()).or_default())
    }

    /// Stores one update; false when there is no room. Mostly nothing changes, which a reader can tell.
    fn put(&self, mine: &RwLock<Metrics>, update: MetadataRef<'_>) -> bool {
        let cut = |text: &'_ str| text.floor_char_boundary(self.max_length);
        let (help, unit) = (&update.help[..cut(update.help)], &update.unit[..cut(update.unit)]);
        let unchanged = |known: &MetricMetadata| {
            known.metric_type == update.metric_type && known.help == help && known.unit == unit
        };
        if mine.read().get(update.metric).is_some_and(unchanged) {
            return true;
        }
        let new =
            MetricMetadata { metric_type: update.metric_type, help: help.to_owned(), unit: unit.to_owned() };
        let mut mine = mine.write();
        let old = mine.get(update.metric).map(|old| entry_size(update.metric, old));
        if old.is_none() && mine.len() >= self.per_tenant {
            return false;
        }
        let (size, old) = (entry_size(update.metric, &new), old.unwrap_or(0));
        if self.bytes.load(Ordering::Relaxed) + size.saturating_sub(old) > self.max_bytes {
            return false;
        }
        self.bytes.fetch_add(size, Ordering::Relaxed);
        self.bytes.fetch_sub(old, Ordering::Relaxed);
        mine.insert(update.metric.to_owned(), new);
        true
    }
}

fn entry_size(metric: &str, metadata: &MetricMetadata) -> usize {
    metric.len() + metadata.help.len() + metadata.unit.len() + size_of::<(String, MetricMetadata)>()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of<'a>(metric: &'a str, help: &'a str) -> MetadataRef<'a> {
        MetadataRef { metric, metric_type: MetricType::Counter, help, unit: "" }
    }

    fn store(per_tenant: usize, bytes: usize) -> MetadataStore {
        MetadataStore::new(&PushConfig {
            max_metadata_per_tenant: per_tenant,
            max_metadata_bytes: bytes,
            max_metadata_length: 9,
            ..PushConfig::default()
        })
    }

    #[test]
    fn the_latest_word_counts_and_texts_are_cut() {
        let (store, tenant) = (store(10, 1 << 20), TenantId::anonymous());
        let updates = [of("b", "old"), of("b", "new"), of("a", "12345678ä"), of("a", "12345678ä")];
        assert_eq!(store.update(&tenant, updates.into_iter()), 0);
        let all = store.query(&tenant, None, 0);
        let helps: Vec<_> = all.iter().map(|(name, one)| (name.as_str(), one.help.as_str())).collect();
        assert_eq!(helps, [("a", "12345678"), ("b", "new")]);
        assert_eq!(store.query(&tenant, None, 1).len(), 1);
        assert_eq!(store.query(&tenant, Some("b"), 0).len(), 1);
        assert!(store.query(&TenantId::new("x").unwrap(), None, 0).is_empty());
    }

    #[test]
    fn what_does_not_fit_is_not_kept_and_known_metrics_still_change() {
        let (by_count, tenant) = (store(2, 1 << 20), TenantId::anonymous());
        let updates = [of("a", ""), of("b", ""), of("c", ""), of("a", "new")];
        assert_eq!(by_count.update(&tenant, updates.into_iter()), 1);
        assert_eq!(by_count.query(&tenant, Some("a"), 0)[0].1.help, "new");
        let by_bytes = store(1_000, 500);
        let names: Vec<String> = (0..100).map(|n| format!("m{n}")).collect();
        assert!(by_bytes.update(&tenant, names.iter().map(|name| of(name, "x"))) > 90);
        assert!(by_bytes.bytes() <= 500);
    }
}
