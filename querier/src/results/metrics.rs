//! Metrics of the cache of results.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// Metrics of the cache of results.
#[derive(Clone, Debug, Default)]
pub(crate) struct ResultsMetrics {
    /// Range queries that might have been answered from it.
    pub(super) requests: Counter,
    /// Those that were answered from it alone.
    pub(super) hits: Counter,
    /// Those of which some steps were answered from it.
    pub(super) partial_hits: Counter,
    pub(super) steps: Counter,
    pub(super) cached_steps: Counter,
    /// Runs of steps that were kept and could not be used any more.
    pub(super) outdated: Counter,
    pub(super) evictions: Counter,
    pub(super) too_large: Counter,
    pub(super) bytes: Gauge,
    pub(super) entries: Gauge,
}

impl ResultsMetrics {
    pub(crate) fn register(&self, registry: &mut Registry) {
        let registry = registry.sub_registry_with_prefix("results_cache");
        for (name, help, counter) in [
            ("requests", "Range queries looked up in the results cache", &self.requests),
            ("hits", "Range queries answered from the results cache alone", &self.hits),
            (
                "partial_hits",
                "Range queries of which some steps were in the results cache",
                &self.partial_hits,
            ),
            ("steps", "Steps of the range queries looked up in the results cache", &self.steps),
            ("cached_steps", "Steps that were answered from the results cache", &self.cached_steps),
            (
                "outdated",
                "Kept runs of steps whose data had changed when they were asked for",
                &self.outdated,
            ),
            ("evictions", "Queries whose results gave way to others", &self.evictions),
            (
                "too_large",
                "Results that were not kept because they are too large, or memory is short",
                &self.too_large,
            ),
        ] {
            registry.register(name, help, counter.clone());
        }
        registry.register("bytes", "Bytes of memory that kept results take", self.bytes.clone());
        registry.register("entries", "Queries of which results are kept", self.entries.clone());
    }
}
