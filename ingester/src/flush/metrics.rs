//! What the flush counts.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// Counters of all shards' flushes. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct FlushMetrics {
    generations: Counter,
    failures: Counter,
    failing_tenants: Gauge,
    samples: Counter,
    encoded_bytes: Counter,
    flushed_bytes: Counter,
    encode_seconds: Counter<f64, AtomicU64>,
}

impl FlushMetrics {
    /// Registers the counters.
    #[must_use]
    pub fn new(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        let mut counter =
            |name: &str, help: &str, counter: &Counter| registry.register(name, help, counter.clone());
        counter(
            "latewood_ingester_flushed_generations",
            "Generations whose blocks are all in the catalog",
            &metrics.generations,
        );
        counter(
            "latewood_ingester_flush_failures",
            "Steps of flushes that failed and were tried again",
            &metrics.failures,
        );
        counter("latewood_ingester_encoded_samples", "Samples written to local blocks", &metrics.samples);
        counter("latewood_ingester_encoded_bytes", "Bytes of local blocks written", &metrics.encoded_bytes);
        counter(
            "latewood_ingester_flushed_bytes",
            "Bytes of blocks brought into the bucket",
            &metrics.flushed_bytes,
        );
        registry.register(
            "latewood_ingester_encode_seconds",
            "Time spent writing local blocks",
            metrics.encode_seconds.clone(),
        );
        registry.register(
            "latewood_ingester_flush_failing_tenants",
            "Tenants, by shard, whose last flush failed; the log names them",
            metrics.failing_tenants.clone(),
        );
        metrics
    }

    pub(super) fn encoded(&self, took: Duration, samples: u64, bytes: u64) {
        self.encode_seconds.inc_by(took.as_secs_f64());
        self.samples.inc_by(samples);
        self.encoded_bytes.inc_by(bytes);
    }

    pub(super) fn flushed(&self, bytes: u64) {
        self.generations.inc();
        self.flushed_bytes.inc_by(bytes);
    }

    pub(super) fn failed(&self) {
        self.failures.inc();
    }

    /// So many tenants of a shard fail where so many did before.
    pub(super) fn failing(&self, before: usize, now: usize) {
        let gauge = |tenants: usize| i64::try_from(tenants).unwrap_or(i64::MAX);
        self.failing_tenants.inc_by(gauge(now) - gauge(before));
    }
}
