//! Samples as they are, for clients that evaluate themselves.

use std::sync::Arc;

use latewood_model::dedup::ReplicaLabels;
use latewood_model::{Matcher, Resolution, SeriesSamples, TenantId, TimeRange};
use latewood_promql::{QueryError, Select, SeriesSource};
use parking_lot::Mutex;

use super::{Evaluator, Reading};
use crate::ApiError;
use crate::fanout::{Pinned, Replicas};
use crate::metrics::Raised;
use crate::resolutions::SourceResolution;

/// What is read, and how.
pub(crate) struct RawRead {
    /// Which series.
    pub(crate) matchers: Vec<Matcher>,
    /// Which samples of them.
    pub(crate) range: TimeRange,
    /// Whether of each series the newest sample is enough; more may come.
    pub(crate) newest_only: bool,
    /// Whether sources that fail may be missing.
    pub(crate) partial: bool,
    /// The labels by which HA replicas differ; without any, replicas are series of their own.
    pub(crate) replica_labels: ReplicaLabels,
    /// The most samples.
    pub(crate) max_samples: u64,
}

impl Evaluator {
    /// Hands the series to `each` in storage order, each once, on a thread that may block; stale markers are among the
    /// samples. They are handed over as they come: when this fails, some may have been.
    pub(crate) async fn read(
        &self,
        tenant: &TenantId,
        read: RawRead,
        each: impl FnMut(SeriesSamples) -> Result<(), QueryError> + Send + 'static,
    ) -> Result<(), ApiError> {
        let RawRead { matchers, range, newest_only, partial, replica_labels, max_samples } = read;
        let select =
            Select { matchers, range, step_ms: 0, window_ms: 0, starts: false, newest_only, function: None };
        let control = self.engine.control(&self.clock, None);
        let _place = self.gate.enter(tenant, control.remaining()).await?;
        let _running = Raised::new(&self.metrics.queries_running);
        let replicas = (!replica_labels.is_empty()).then(|| Arc::new(Replicas::expected(replica_labels)));
        // Without rollups: clients want samples.
        let reads = Reading { replicas, resolution: SourceResolution::UpTo(Resolution::Raw) };
        // One view may be too old for a store, which it says before there is a series.
        let each = Arc::new(Mutex::new(each));
        let (leash, reads, select) = (&control, &reads, &select);
        let under = move |pinned: Pinned| {
            let (select, each) = (select.clone(), Arc::clone(&each));
            self.attempt(reads.clone(), pinned, leash, move |source, _, _| {
                let mut left = max_samples;
                let mut cursor = source.select(&select)?;
                while let Some(batch) = cursor.next_batch()? {
                    for mut series in batch {
                        series.resolve_kinds();
                        let weight = (series.values.len() + series.histograms.len()) as u64;
                        left = left.checked_sub(weight).ok_or(QueryError::TooManySamples)?;
                        (*each.lock())(series)?;
                    }
                }
                Ok(())
            })
        };
        let (read, _) = self.fanout.under_view(tenant, partial, under).await?;
        Ok(read?)
    }
}
