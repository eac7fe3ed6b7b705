//! What push tells of itself.

use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

use super::{Protocol, Receipt};
use crate::IngestError;
use crate::exemplars::ExemplarOutcome;

type ByTwo = Family<[(&'static str, &'static str); 2], Counter>;
type ByOne = Family<[(&'static str, &'static str); 1], Counter>;

/// Counters of the write path.
#[derive(Debug)]
pub(super) struct PushMetrics {
    requests: ByTwo,
    samples: Counter,
    histograms: Counter,
    refused: ByOne,
    exemplars: ByOne,
    metadata_dropped: Counter,
    compressed: Histogram,
    decompressed: Histogram,
    duration: Histogram,
    inflight: Gauge,
}

impl PushMetrics {
    pub(super) fn new(registry: &mut Registry) -> Self {
        let sizes = || Histogram::new(exponential_buckets(1024.0, 4.0, 10));
        let metrics = Self {
            requests: ByTwo::default(),
            samples: Counter::default(),
            histograms: Counter::default(),
            refused: ByOne::default(),
            exemplars: ByOne::default(),
            metadata_dropped: Counter::default(),
            compressed: sizes(),
            decompressed: sizes(),
            duration: Histogram::new(exponential_buckets(0.001, 2.0, 15)),
            inflight: Gauge::default(),
        };
        metrics.register(registry);
        metrics
    }

    fn register(&self, registry: &mut Registry) {
        let name = |what: &str| format!("latewood_ingester_push_{what}");
        registry.register(
            name("requests"),
            "Write requests by protocol and HTTP status",
            self.requests.clone(),
        );
        registry.register(name("samples"), "Samples stored", self.samples.clone());
        registry.register(name("histograms"), "Native histograms stored", self.histograms.clone());
        registry.register(
            name("refused"),
            "Samples and histograms refused, by cause: for good, but for those that are rate_limited",
            self.refused.clone(),
        );
        registry.register(name("exemplars"), "Exemplars by what became of them", self.exemplars.clone());
        registry.register(
            name("metadata_dropped"),
            "Metadata that was not kept for want of room",
            self.metadata_dropped.clone(),
        );
        registry.register(name("compressed_bytes"), "Bodies as they came", self.compressed.clone());
        registry.register(name("decompressed_bytes"), "Bodies decompressed", self.decompressed.clone());
        registry.register(name("duration_seconds"), "Time from headers to answer", self.duration.clone());
        registry.register(name("inflight_bytes"), "Memory of the requests under way", self.inflight.clone());
    }

    /// Counts a request that was answered.
    pub(super) fn answered(
        &self,
        protocol: Option<Protocol>,
        receipt: &Receipt,
        took: Duration,
        inflight: usize,
    ) {
        let status = match receipt.status().as_u16() {
            204 => "204",
            400 => "400",
            413 => "413",
            415 => "415",
            429 => "429",
            500 => "500",
            503 => "503",
            _ => "other",
        };
        let protocol = protocol.map_or("unknown", Protocol::as_str);
        self.requests.get_or_create(&[("protocol", protocol), ("status", status)]).inc();
        self.samples.inc_by(receipt.written.samples);
        self.histograms.inc_by(receipt.written.histograms);
        for (cause, count) in receipt.refusals.counts() {
            self.refused.get_or_create(&[("cause", cause.as_str())]).inc_by(count);
        }
        if let Some(IngestError::RateLimited { samples, .. }) = &receipt.failure {
            self.refused.get_or_create(&[("cause", "rate_limited")]).inc_by(*samples);
        }
        self.duration.observe(took.as_secs_f64());
        self.inflight.set(i64::try_from(inflight).unwrap_or(i64::MAX));
    }

    pub(super) fn body(&self, compressed: usize, decompressed: usize) {
        self.compressed.observe(compressed as f64);
        self.decompressed.observe(decompressed as f64);
    }

    pub(super) fn exemplar(&self, outcome: ExemplarOutcome) {
        let outcome = match outcome {
            ExemplarOutcome::Kept => "kept",
            ExemplarOutcome::OutOfOrder => "out_of_order",
            ExemplarOutcome::TooLong => "too_long",
            ExemplarOutcome::NoRoom => "no_room",
        };
        self.exemplars.get_or_create(&[("outcome", outcome)]).inc();
    }

    pub(super) fn metadata_dropped(&self, count: usize) {
        self.metadata_dropped.inc_by(count as u64);
    }
}
