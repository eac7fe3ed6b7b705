//! The write path of one process up to the shards.

use std::sync::Arc;

use latewood_base::{Clock, Kinded, Offload};
use latewood_model::{Exemplar, Labels, TenantId, TimestampMs};
use latewood_proto::remote_write::{ExemplarSpan, LabelSpan, text};
use prometheus_client::registry::Registry;

use super::inflight::{Inflight, Share};
use super::log::PushLog;
use super::metrics::PushMetrics;
use super::prepare::prepare;
use super::validate::Rules;
use super::{Protocol, Receipt, Written};
use crate::distributor::{Distributor, ShardPart};
use crate::exemplars::{ExemplarOutcome, ExemplarStore};
use crate::limits::RateLimits;
use crate::metadata::{MetadataRef, MetadataStore};
use crate::write::{BuffersPool, Row};
use crate::{IngestError, PushConfig, Refusals, WriteBatch};

/// More exemplars than this are stored off the async runtime.
const INLINE_EXEMPLARS: usize = 200;

/// Takes remote-write requests: a cheap handle, shared by all routes.
#[derive(Clone, Debug)]
pub struct PushService(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    config: PushConfig,
    distributor: Distributor,
    rates: RateLimits,
    exemplars: Arc<ExemplarStore>,
    metadata: Arc<MetadataStore>,
    clock: Clock,
    offload: Offload,
    pool: Arc<BuffersPool>,
    inflight: Arc<Inflight>,
    metrics: PushMetrics,
    log: PushLog,
}

/// A request that is decoded, validated and split.
struct Ready {
    batch: Arc<WriteBatch>,
    parts: Vec<ShardPart>,
    refusals: Refusals,
    /// How many samples count against the tenant's rate.
    counted: u64,
    newest: TimestampMs,
}

impl PushService {
    /// A service that writes through `distributor` what `rates` lets pass, and keeps exemplars and metadata in the two stores.
    ///
    /// # Errors
    /// [`IngestError::Config`] when the settings cannot be.
    pub fn new(
        config: PushConfig,
        (distributor, rates): (Distributor, RateLimits),
        exemplars: Arc<ExemplarStore>,
        metadata: Arc<MetadataStore>,
        clock: Clock,
        offload: Offload,
        registry: &mut Registry,
    ) -> Result<Self, IngestError> {
        config.validate()?;
        Ok(Self(Arc::new(Inner {
            distributor,
            rates,
            exemplars,
            metadata,
            log: PushLog::new(clock.clone()),
            clock,
            offload,
            pool: BuffersPool::new(),
            inflight: Inflight::new(config.max_inflight_bytes),
            metrics: PushMetrics::new(registry),
            config,
        })))
    }

    /// Takes one request: `compressed` is its body as it came. Returns when what the receipt counts as
    /// written is durable and visible to reads.
    pub async fn write(&self, tenant: TenantId, protocol: Protocol, compressed: Vec<u8>) -> Receipt {
        let mut share = self.share();
        match share.grow(compressed.len()) {
            Ok(()) => self.write_within(tenant, protocol, compressed, share).await,
            Err(error) => error.into(),
        }
    }

    /// As [`PushService::write`], with the body's memory counted already.
    pub(super) async fn write_within(
        &self,
        tenant: TenantId,
        protocol: Protocol,
        compressed: Vec<u8>,
        mut share: Share,
    ) -> Receipt {
        let ready = match self.ready(tenant, protocol, compressed, &mut share).await {
            Ok(ready) => ready,
            Err(error) => return error.into(),
        };
        let mut refusals = ready.refusals;
        let stored = self.0.distributor.write(ready.parts).await;
        refusals.merge(stored.refusals);
        if stored.failure.as_ref().is_some_and(|error| error.kind().is_retryable()) {
            // It comes again.
            self.0.rates.give_back(ready.batch.tenant(), ready.counted);
        }
        let exemplars = match stored.failure {
            None => self.annotate(ready.batch, ready.newest).await,
            Some(_) => 0,
        };
        Receipt {
            written: Written { samples: stored.samples, histograms: stored.histograms, exemplars },
            refusals,
            failure: stored.failure,
        }
    }

    /// Decodes, validates and splits: here when the body is small, off the runtime when it is large.
    async fn ready(
        &self,
        tenant: TenantId,
        protocol: Protocol,
        compressed: Vec<u8>,
        share: &mut Share,
    ) -> Result<Ready, IngestError> {
        // A claim that is forged or above the limit is refused in `prepare`; it is not reserved first.
        let claimed = snap::raw::decompress_len(&compressed).unwrap_or(0);
        if claimed <= self.0.config.max_decompressed_bytes {
            self.0.metrics.body(compressed.len(), claimed);
            // The columns need about as much as the body they point into.
            share.grow(claimed.saturating_mul(2))?;
        }
        let inner = Arc::clone(&self.0);
        let work = move || inner.ready(tenant, protocol, &compressed);
        if claimed <= self.0.config.inline_decode_bytes { work() } else { self.0.offload.run(work).await? }
    }

    /// Keeps the exemplars and the metadata of a stored batch; returns how many exemplars were taken.
    async fn annotate(&self, batch: Arc<WriteBatch>, newest: TimestampMs) -> u64 {
        let columns = &batch.buffers().columns;
        if columns.exemplars.len() + columns.metadata.len() <= INLINE_EXEMPLARS {
            return self.0.annotate(&batch, newest);
        }
        let inner = Arc::clone(&self.0);
        let work = move || inner.annotate(&batch, newest);
        self.0.offload.run(work).await.unwrap_or_else(|error| {
            tracing::warn!(%error, "exemplars and metadata of a write were not kept");
            0
        })
    }

    pub(super) fn share(&self) -> Share {
        self.0.inflight.share()
    }

    pub(super) fn config(&self) -> &PushConfig {
        &self.0.config
    }

    pub(super) fn clock(&self) -> &Clock {
        &self.0.clock
    }

    pub(super) fn log(&self) -> &PushLog {
        &self.0.log
    }

    /// Counts a request that is about to be answered.
    pub(super) fn answered(
        &self,
        protocol: Option<Protocol>,
        receipt: &Receipt,
        started: std::time::Duration,
    ) {
        let took = self.0.clock.elapsed().saturating_sub(started);
        let inflight = self.0.inflight.used();
        self.0.metrics.answered(protocol, receipt, took, inflight);
    }
}

impl Inner {
    fn ready(&self, tenant: TenantId, protocol: Protocol, compressed: &[u8]) -> Result<Ready, IngestError> {
        let rules = Rules::new(&self.config, &tenant, self.clock.now_ms());
        let (batch, refusals) = prepare(compressed, protocol, tenant, &rules, &self.pool)?;
        let batch = Arc::new(batch);
        let counted = self.rates.take(batch.tenant(), || {
            batch.rows().map(|row| row.sent_samples() + row.sent_histograms()).sum()
        })?;
        let parts = self.distributor.split(&batch);
        Ok(Ready { parts, batch, refusals, counted, newest: rules.newest })
    }

    fn annotate(&self, batch: &WriteBatch, newest: TimestampMs) -> u64 {
        let buffers = batch.buffers();
        let (body, columns) = (&buffers.body, &buffers.columns);
        let mut kept = 0;
        for row in &buffers.rows {
            for exemplar in row.exemplars.of(&columns.exemplars) {
                if exemplar.defect.is_none() && exemplar.timestamp <= newest {
                    let labels = exemplar.labels.of(&columns.exemplar_labels);
                    kept += u64::from(self.keep_exemplar(batch, row, exemplar, labels));
                }
            }
        }
        let metadata = columns.metadata.iter().map(|one| MetadataRef {
            metric: text(one.family, body),
            metric_type: one.metric_type,
            help: text(one.help, body),
            unit: text(one.unit, body),
        });
        let metadata = metadata.filter(|one| one.metric.len() <= self.config.max_label_value_length);
        let dropped = self.metadata.update(batch.tenant(), metadata);
        self.metrics.metadata_dropped(dropped);
        kept
    }

    fn keep_exemplar(
        &self,
        batch: &WriteBatch,
        row: &Row,
        exemplar: &ExemplarSpan,
        labels: &[LabelSpan],
    ) -> bool {
        let body = &batch.buffers().body;
        // Counted in bytes first, so that an absurd set is not built.
        let bytes: usize = labels.iter().map(|label| (label.name.len + label.value.len) as usize).sum();
        let outcome = if bytes > crate::exemplars::MAX_EXEMPLAR_CHARACTERS * 4 || labels.len() > 64 {
            ExemplarOutcome::TooLong
        } else {
            let pairs = labels.iter().map(|label| (text(label.name, body), text(label.value, body)));
            let exemplar = Exemplar {
                labels: Labels::from_pairs(pairs),
                value: exemplar.value,
                timestamp: exemplar.timestamp,
            };
            let series = || batch.view(row).to_labels();
            self.exemplars.add(batch.tenant(), row.hash, series, exemplar)
        };
        self.metrics.exemplar(outcome);
        outcome == ExemplarOutcome::Kept
    }
}
