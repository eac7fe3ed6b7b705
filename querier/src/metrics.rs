//! The querier's metrics.

use latewood_model::dedup::Tally;
use latewood_proto::store::wire::BucketUsage;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

use crate::results::ResultsMetrics;

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
    pub(crate) moved_shards: Counter,
    pub(crate) stale_answers: Counter,
    pub(crate) bucket: BucketMetrics,
    pub(crate) dedup: DedupMetrics,
    pub(crate) results: ResultsMetrics,
}

/// What queries and listings ask of the bucket, whichever roles do it for them.
#[derive(Clone, Debug)]
pub(crate) struct BucketMetrics {
    requests: Histogram,
    read_bytes: Histogram,
}

impl BucketMetrics {
    fn new() -> Self {
        // Nothing, as from warm caches, up to a thousand blocks; from a page up to 64 GB.
        Self {
            requests: Histogram::new([0.0].into_iter().chain(exponential_buckets(1.0, 2.0, 14))),
            read_bytes: Histogram::new([0.0].into_iter().chain(exponential_buckets(4096.0, 4.0, 13))),
        }
    }

    /// Takes one query or listing into account.
    pub(crate) fn observe(&self, usage: BucketUsage) {
        self.requests.observe(usage.requests as f64);
        self.read_bytes.observe(usage.read_bytes as f64);
    }
}

/// What deduplication of HA replicas saw.
#[derive(Clone, Debug, Default)]
pub(crate) struct DedupMetrics {
    groups: Counter,
    dropped: Counter,
    switches: Counter,
    counter_falls: Counter,
}

impl DedupMetrics {
    /// Counts what one selection saw.
    pub(crate) fn add(&self, tally: Tally) {
        for (counter, count) in [
            (&self.groups, tally.groups),
            (&self.dropped, tally.dropped),
            (&self.switches, tally.switches),
            (&self.counter_falls, tally.counter_falls),
        ] {
            counter.inc_by(count);
        }
    }

    fn register(&self, registry: &mut Registry) {
        let metrics = [
            ("dedup_series", "Series put together of several HA replicas", &self.groups),
            ("dedup_dropped_samples", "Samples of HA replicas that were not kept", &self.dropped),
            ("dedup_switches", "Times that a series went on with another HA replica", &self.switches),
            (
                "dedup_falls",
                "Switches between HA replicas at which a counter, by its name, fell",
                &self.counter_falls,
            ),
        ];
        for (name, help, counter) in metrics {
            registry.register(name, help, counter.clone());
        }
    }
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
            moved_shards: Counter::default(),
            stale_answers: Counter::default(),
            bucket: BucketMetrics::new(),
            dedup: DedupMetrics::default(),
            results: ResultsMetrics::default(),
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
        registry.register(
            "shard_failovers",
            "Requests to an ingester that failed and whose shards were asked of whoever leads them now",
            metrics.moved_shards.clone(),
        );
        registry.register(
            "stale_answers",
            "Answers of ingesters for shards that nobody led, which may lack what came last",
            metrics.stale_answers.clone(),
        );
        registry.register(
            "query_bucket_requests",
            "Requests to the bucket of one query or listing, in all roles",
            metrics.bucket.requests.clone(),
        );
        registry.register(
            "query_bucket_read_bytes",
            "Bytes that one query or listing read from the bucket, in all roles",
            metrics.bucket.read_bytes.clone(),
        );
        metrics.dedup.register(registry);
        metrics.results.register(registry);
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
