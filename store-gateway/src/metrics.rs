//! The store-gateway's metrics.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// The store-gateway's metrics.
#[derive(Clone, Debug, Default)]
pub(crate) struct Metrics {
    pub(crate) open_blocks: Gauge,
    pub(crate) open_bytes: Gauge,
    pub(crate) opened: Counter,
    pub(crate) closed: Counter,
    pub(crate) selects: Counter,
    pub(crate) series: Counter,
    pub(crate) samples: Counter,
    pub(crate) missing_blocks: Counter,
    pub(crate) reserved_bytes: Gauge,
    pub(crate) too_large: Counter,
    pub(crate) no_memory: Counter,
}

impl Metrics {
    pub(crate) fn new(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        let registry = registry.sub_registry_with_prefix("latewood_store_gateway");
        registry.register("open_blocks", "Blocks kept open", metrics.open_blocks.clone());
        registry.register(
            "open_blocks_bytes",
            "Memory of the blocks kept open, roughly",
            metrics.open_bytes.clone(),
        );
        registry.register("blocks_opened", "Blocks opened", metrics.opened.clone());
        registry.register("blocks_closed", "Blocks closed to make room for others", metrics.closed.clone());
        registry.register("selects", "Selects begun", metrics.selects.clone());
        registry.register("series_sent", "Series sent by selects", metrics.series.clone());
        registry.register("samples_sent", "Samples sent by selects", metrics.samples.clone());
        registry.register(
            "missing_blocks",
            "Requests that failed because the catalog names a block that the bucket lacks",
            metrics.missing_blocks.clone(),
        );
        registry.register(
            "estimated_memory_bytes",
            "Memory that requests under way are estimated to hold",
            metrics.reserved_bytes.clone(),
        );
        registry.register(
            "requests_too_large",
            "Requests refused because of max_estimated_memory_consumption_per_request",
            metrics.too_large.clone(),
        );
        registry.register(
            "requests_without_memory",
            "Requests refused because of max_estimated_memory_consumption",
            metrics.no_memory.clone(),
        );
        metrics
    }
}
