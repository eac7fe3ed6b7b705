//! The querier's metrics.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// An endpoint and how its requests ended: `success` or the `errorType`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct RequestLabels {
    pub(crate) endpoint: &'static str,
    pub(crate) outcome: &'static str,
}

/// An endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct EndpointLabels {
    pub(crate) endpoint: &'static str,
}

/// The querier's metrics.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    pub(crate) requests: Family<RequestLabels, Counter>,
    pub(crate) durations: Family<EndpointLabels, Histogram, fn() -> Histogram>,
    pub(crate) in_flight: Gauge,
    pub(crate) queries_running: Gauge,
    pub(crate) samples_read: Counter,
    pub(crate) stale_views: Counter,
    pub(crate) failovers: Counter,
}

/// From a panel's answer out of memory to the default timeout of a query.
fn duration_buckets() -> Histogram {
    Histogram::new([0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0])
}

impl Metrics {
    pub(crate) fn new(registry: &mut Registry) -> Self {
        let metrics = Self {
            requests: Family::default(),
            durations: Family::new_with_constructor(duration_buckets),
            in_flight: Gauge::default(),
            queries_running: Gauge::default(),
            samples_read: Counter::default(),
            stale_views: Counter::default(),
            failovers: Counter::default(),
        };
        let registry = registry.sub_registry_with_prefix("latewood_querier");
        registry.register("requests", "Requests by endpoint and outcome", metrics.requests.clone());
        registry.register("request_duration_seconds", "Time to answer a request", metrics.durations.clone());
        registry.register("requests_in_flight", "Requests being answered", metrics.in_flight.clone());
        registry.register("queries_running", "Queries being evaluated", metrics.queries_running.clone());
        registry.register(
            "samples_read",
            "Samples that queries took from stores",
            metrics.samples_read.clone(),
        );
        registry.register(
            "stale_views",
            "Queries run again because their view of the catalog was stale",
            metrics.stale_views.clone(),
        );
        registry.register(
            "store_gateway_failovers",
            "Requests to a store-gateway that failed and whose blocks were asked of their next owners",
            metrics.failovers.clone(),
        );
        metrics
    }
}

/// Counts up now and down when dropped.
pub(crate) struct Raised(Gauge);

impl Raised {
    pub(crate) fn new(gauge: &Gauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Raised {
    fn drop(&mut self) {
        self.0.dec();
    }
}
