//! [`CachingBucket`]: pieces of blocks in memory and on disk, so that the bucket is asked for them once.
//!
//! Invariants: nothing but immutable objects comes this way; memory and disk stay below their caps; what the disk
//! gives back is what was put there, or it is a miss.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use foyer::{
    BlockEngineConfig, DeviceBuilder, Event, EventListener, FsDeviceBuilder, HybridCache, HybridCacheBuilder,
    HybridCachePolicy, RecoverMode, Source,
};
use futures::future::join_all;
use latewood_objstore::{Bucket, BucketError, BucketLayer};
use prometheus_client::registry::Registry;

use crate::cache_metrics::{CacheMetrics, ItemKind, Tier};
use crate::cached_item::{Item, ItemKey};
use crate::{CacheConfig, GatewayError};

/// A bucket of which the objects and ranges that were read are kept.
#[derive(Debug)]
pub struct CachingBucket {
    inner: Bucket,
    cache: HybridCache<ItemKey, Item>,
    max_item_bytes: usize,
    metrics: CacheMetrics,
}

/// Counts what has to leave the memory for others.
struct Evictions(CacheMetrics);

impl EventListener for Evictions {
    type Key = ItemKey;
    type Value = Item;

    fn on_leave(&self, reason: Event, _: &ItemKey, _: &Item) {
        if reason == Event::Evict {
            self.0.evictions.inc();
        }
    }
}

impl CachingBucket {
    /// Puts a cache before a bucket, the one on disk in `folder`, as it was left there. Registers its metrics.
    ///
    /// # Errors
    /// [`GatewayError::Cache`] when the folder cannot be used.
    pub async fn open(
        inner: Bucket,
        config: &CacheConfig,
        folder: &Path,
        registry: &mut Registry,
    ) -> Result<Self, GatewayError> {
        let metrics = CacheMetrics::new(registry);
        let bytes = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
        let failed = |error: foyer::Error| GatewayError::Cache {
            folder: folder.display().to_string(),
            message: error.to_string(),
        };
        let storage = HybridCacheBuilder::new()
            .with_name("latewood")
            // What only memory has would be lost in a crash.
            .with_policy(HybridCachePolicy::WriteOnInsertion)
            .with_event_listener(Arc::new(Evictions(metrics.clone())))
            .memory(bytes(config.max_size_bytes.max(1)))
            .with_weighter(|key: &ItemKey, item: &Item| key.weight() + item.0.len())
            .storage();
        let storage = if config.disk_max_size_bytes > 0 {
            let device = FsDeviceBuilder::new(folder).with_capacity(bytes(config.disk_max_size_bytes));
            let device = device.build().map_err(failed)?;
            storage
                .with_engine_config(
                    BlockEngineConfig::new(device).with_block_size(CacheConfig::DISK_UNIT_BYTES),
                )
                .with_recover_mode(RecoverMode::Quiet)
        } else {
            storage
        };
        let cache = storage.build().await.map_err(failed)?;
        Ok(Self { inner, cache, max_item_bytes: bytes(config.max_item_size_bytes), metrics })
    }

    async fn get_item(&self, key: &ItemKey, kind: ItemKind) -> Option<Bytes> {
        self.metrics.count_request(kind);
        match self.cache.get(key).await {
            Ok(Some(entry)) => {
                let tier = if entry.source() == Source::Disk { Tier::Disk } else { Tier::Memory };
                self.metrics.count_hit(kind, tier);
                Some(entry.value().0.clone())
            }
            Ok(None) => None,
            Err(error) => {
                self.metrics.failures.inc();
                tracing::debug!(%error, "an item of the cache cannot be read: it is fetched again");
                None
            }
        }
    }

    fn keep(&self, key: ItemKey, body: &Bytes) {
        if body.len() <= self.max_item_bytes {
            // A copy: what was fetched together with others would keep them all in memory.
            self.cache.insert(key, Item(Bytes::copy_from_slice(body)));
            self.metrics.set_memory(self.cache.memory().usage());
        }
    }
}

#[async_trait]
impl BucketLayer for CachingBucket {
    fn inner(&self) -> &Bucket {
        &self.inner
    }

    async fn get(&self, key: &str, max_bytes: u64) -> Result<Bytes, BucketError> {
        let item = ItemKey::whole(key);
        if let Some(body) = self.get_item(&item, ItemKind::Index).await
            && body.len() as u64 <= max_bytes
        {
            return Ok(body);
        }
        let body = self.inner.get(key, max_bytes).await?;
        self.keep(item, &body);
        Ok(body)
    }

    async fn get_ranges(&self, key: &str, ranges: &[Range<u64>]) -> Result<Vec<Bytes>, BucketError> {
        let items: Vec<ItemKey> = ranges.iter().map(|range| ItemKey::range(key, range)).collect();
        let found = join_all(items.iter().map(|item| self.get_item(item, ItemKind::Pages))).await;
        let missing = ranges.iter().zip(&found).filter(|(_, body)| body.is_none());
        let missing: Vec<Range<u64>> = missing.map(|(range, _)| range.clone()).collect();
        let mut fetched = match missing.is_empty() {
            true => Vec::new(),
            false => self.inner.get_ranges(key, &missing).await?,
        }
        .into_iter();
        let bodies = items.into_iter().zip(found).map(|(item, body)| match body {
            Some(body) => Some(body),
            None => fetched.next().inspect(|body| self.keep(item, body)),
        });
        let bodies: Option<Vec<Bytes>> = bodies.collect();
        bodies.ok_or_else(|| BucketError::Unavailable {
            key: key.to_owned(),
            message: "the bucket returned too few ranges".to_owned(),
        })
    }
}

#[cfg(test)]
mod tests;
