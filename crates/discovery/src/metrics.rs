//! Counts of look-ups, under the names that Thanos has for them.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// An address as it is configured.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct AddrLabels {
    pub(crate) addr: String,
}

/// Counts of look-ups. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    pub(crate) lookups: Counter,
    pub(crate) failures: Counter,
    pub(crate) results: Family<AddrLabels, Gauge>,
}

impl Metrics {
    /// Registers them, as `dns_lookups_total`, `dns_failures_total` and `dns_provider_results` below the registry's
    /// prefix.
    #[must_use]
    pub fn new(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        registry.register("dns_lookups", "DNS look-ups of peers", metrics.lookups.clone());
        registry.register("dns_failures", "DNS look-ups of peers that failed", metrics.failures.clone());
        let results = "Peers that are known behind each address that is looked up";
        registry.register("dns_provider_results", results, metrics.results.clone());
        metrics
    }

    pub(crate) fn known(&self, addr: &str, peers: usize) {
        let labels = AddrLabels { addr: addr.to_owned() };
        self.results.get_or_create(&labels).set(i64::try_from(peers).unwrap_or(i64::MAX));
    }
}
