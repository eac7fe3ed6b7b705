//! The cache's metrics.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// What is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ItemKind {
    /// Objects that are read whole: what a block knows of its series.
    Index,
    /// Ranges of samples.
    Pages,
}

/// Where it was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tier {
    Memory,
    Disk,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ItemLabels {
    item: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct HitLabels {
    item: &'static str,
    tier: &'static str,
}

/// The cache's metrics. Misses are the requests that are no hits.
#[derive(Clone, Debug, Default)]
pub(crate) struct CacheMetrics {
    requests: Family<ItemLabels, Counter>,
    hits: Family<HitLabels, Counter>,
    pub(crate) evictions: Counter,
    pub(crate) failures: Counter,
    memory_bytes: Gauge,
}

impl CacheMetrics {
    pub(crate) fn new(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        let registry = registry.sub_registry_with_prefix("latewood_store_gateway_cache");
        registry.register("requests", "Items looked for in the cache", metrics.requests.clone());
        registry.register("hits", "Items found in the cache, by where", metrics.hits.clone());
        registry.register(
            "memory_evictions",
            "Items that left the cache's memory for others",
            metrics.evictions.clone(),
        );
        registry.register(
            "read_failures",
            "Items of the cache's disk that could not be read or were damaged",
            metrics.failures.clone(),
        );
        registry.register("memory_bytes", "Bytes in the cache's memory", metrics.memory_bytes.clone());
        metrics
    }

    pub(crate) fn count_request(&self, kind: ItemKind) {
        self.requests.get_or_create(&ItemLabels { item: name(kind) }).inc();
    }

    pub(crate) fn count_hit(&self, kind: ItemKind, tier: Tier) {
        let tier = match tier {
            Tier::Memory => "memory",
            Tier::Disk => "disk",
        };
        self.hits.get_or_create(&HitLabels { item: name(kind), tier }).inc();
    }

    pub(crate) fn set_memory(&self, bytes: usize) {
        self.memory_bytes.set(i64::try_from(bytes).unwrap_or(i64::MAX));
    }
}

fn name(kind: ItemKind) -> &'static str {
    match kind {
        ItemKind::Index => "index",
        ItemKind::Pages => "pages",
    }
}
