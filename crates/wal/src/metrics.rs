//! The journal's own metrics.

use std::sync::atomic::AtomicU64;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    pub(crate) appends: Counter,
    pub(crate) failed_appends: Counter,
    pub(crate) bytes: Counter,
    pub(crate) syncs: Histogram,
    pub(crate) segments: Gauge,
    pub(crate) disk_bytes: Gauge,
    pub(crate) moved_bytes: Counter,
    pub(crate) repaired_bytes: Counter,
    pub(crate) poisoned: Gauge<i64, std::sync::atomic::AtomicI64>,
    pub(crate) full: Gauge<i64, std::sync::atomic::AtomicI64>,
}

impl Metrics {
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            appends: Counter::<u64, AtomicU64>::default(),
            failed_appends: Counter::default(),
            bytes: Counter::default(),
            syncs: Histogram::new(exponential_buckets(0.000_1, 2.0, 16)),
            segments: Gauge::default(),
            disk_bytes: Gauge::default(),
            moved_bytes: Counter::default(),
            repaired_bytes: Counter::default(),
            poisoned: Gauge::default(),
            full: Gauge::default(),
        };
        let journal = registry.sub_registry_with_prefix("latewood_journal");
        journal.register("appends", "Appends that became durable", metrics.appends.clone());
        journal.register("failed_appends", "Appends that failed", metrics.failed_appends.clone());
        journal.register("written_bytes", "Bytes written", metrics.bytes.clone());
        journal.register("sync_seconds", "Time an fsync took", metrics.syncs.clone());
        journal.register("segments", "Segments on disk", metrics.segments.clone());
        journal.register("disk_bytes", "Size of the segments on disk", metrics.disk_bytes.clone());
        journal.register(
            "moved_bytes",
            "Bytes of entries moved out of old segments",
            metrics.moved_bytes.clone(),
        );
        journal.register(
            "repaired_bytes",
            "Bytes of torn tails cut off at start",
            metrics.repaired_bytes.clone(),
        );
        journal.register(
            "poisoned",
            "1 when an fsync failed and nothing is taken any more",
            metrics.poisoned.clone(),
        );
        journal.register("full", "1 while appends wait for room on the disk", metrics.full.clone());
        metrics
    }
}
