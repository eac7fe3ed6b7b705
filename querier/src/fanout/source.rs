//! The engine's door to the stores: a blocking cursor over a bounded channel that a task fills.

use std::sync::Arc;

use futures::StreamExt;
use latewood_base::ErrorKind;
use latewood_model::dedup::{Deduplicator, ReplicaLabels};
use latewood_model::{Matcher, Resolution, SeriesSamples, TimeRange};
use latewood_promql::{
    Control, Resolutions, RollupCursor, RollupSelect, Select, SeriesCursor, SeriesSource, SourceError,
};
use latewood_proto::store::{Detail, StoreError};
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::fetching::{Handed, fill};
use super::gather::{Gathered, Gatherer};
use super::{Coverage, Fanout, Pinned, Replicas, Wanted};
use crate::metrics::DedupMetrics;
use crate::resolutions::SourceResolution;

/// Series, one batch after another.
pub(super) type Batch = Handed<Fetched>;

/// Series as they are answered, or still to be put together, which is work for the engine's thread.
pub(super) enum Fetched {
    Series(Vec<SeriesSamples>),
    Groups(Vec<Gathered>),
}

/// The series of one attempt at a query.
pub(crate) struct FanoutSource {
    pub(crate) fanout: Arc<Fanout>,
    pub(crate) pinned: Pinned,
    /// Where fetching runs; the engine itself runs off it.
    pub(crate) runtime: Handle,
    /// For the deadline.
    pub(crate) control: Control,
    /// Given when the caller went away.
    pub(crate) canceled: CancellationToken,
    /// Batches fetched ahead of the engine.
    pub(crate) batches_ahead: usize,
    /// How replicas are taken; none if they are series of their own.
    pub(crate) replicas: Option<Arc<Replicas>>,
    pub(crate) metrics: DedupMetrics,
    /// How coarse what is read may be.
    pub(crate) resolution: SourceResolution,
    /// The labels that replicas of rollups do not have any more.
    pub(crate) rolled_up: ReplicaLabels,
    /// What ingesters told at the first time that it mattered which windows have all samples.
    pub(crate) known_spans: Mutex<Option<Arc<[TimeRange]>>>,
}

impl FanoutSource {
    /// A cursor over samples.
    pub(super) fn samples(&self, select: &Select) -> Cursor {
        let (sender, receiver) = mpsc::channel(self.batches_ahead);
        let fetch = Fetch {
            fanout: Arc::clone(&self.fanout),
            pinned: self.pinned.clone(),
            select: select.clone(),
            control: self.control.clone(),
            canceled: self.canceled.clone(),
            replicas: self.replicas.clone(),
        };
        self.runtime.spawn(fetch.run(sender));
        Cursor {
            receiver,
            coverage: Arc::clone(&self.pinned.coverage),
            deduplicator: Deduplicator::new(select.range.start),
            control: self.control.clone(),
            metrics: self.metrics.clone(),
            gone: self.pinned.held.gone(select.range),
        }
    }

    /// Whether rollups are of the series that are asked for: of HA pairs as one series, without the labels by which they
    /// differed.
    fn are_rolled_up(&self, matchers: &[Matcher]) -> bool {
        let labels = self.replicas.as_ref().map(|replicas| &replicas.labels);
        let own = labels.map_or(self.rolled_up.is_empty(), |labels| *labels == self.rolled_up);
        own && !matchers.iter().any(|matcher| self.rolled_up.contain(matcher.name()))
    }

    /// The coarsest resolution that may be read by choice, and whether that may be where it is not exact.
    fn wish(&self, matchers: &[Matcher]) -> (Resolution, bool) {
        if !self.are_rolled_up(matchers) {
            return (Resolution::Raw, false);
        }
        match self.resolution {
            SourceResolution::Auto => (Resolution::OneDay, false),
            SourceResolution::UpTo(coarsest) => (coarsest, true),
        }
    }
}

impl SeriesSource for FanoutSource {
    fn select(&self, select: &Select) -> Result<Box<dyn SeriesCursor>, SourceError> {
        Ok(Box::new(self.samples(select)))
    }

    fn resolutions(&self, matchers: &[Matcher], range: TimeRange) -> Resolutions {
        let (coarsest, may_be_inexact) = self.wish(matchers);
        let gone_differs = !self.are_rolled_up(matchers);
        Resolutions { gone_differs, ..self.pinned.held.resolutions(range, coarsest, may_be_inexact) }
    }

    fn select_rollups(&self, select: &RollupSelect) -> Result<Box<dyn RollupCursor>, SourceError> {
        let windows = self.windows(select);
        Ok(Box::new(windows.map_err(|error| SourceError(Arc::new(error)))?))
    }
}

/// Fetches the samples of a selection.
struct Fetch {
    fanout: Arc<Fanout>,
    pinned: Pinned,
    select: Select,
    control: Control,
    canceled: CancellationToken,
    replicas: Option<Arc<Replicas>>,
}

/// When a series with a replica label came.
enum Found {
    Never,
    AtFirst,
    Late,
}

impl Fetch {
    async fn run(self, sender: mpsc::Sender<Batch>) {
        fill(&sender, (&self.control, &self.canceled), self.fetch(&sender)).await;
    }

    async fn fetch(&self, sender: &mpsc::Sender<Batch>) -> Result<(), StoreError> {
        let (tenant, matchers) = (&self.pinned.tenant, &self.select.matchers);
        let Some(replicas) = &self.replicas else { return self.plain(sender, None).await.map(|_| ()) };
        if !replicas.are_expected() && !self.fanout.hints.has(tenant, matchers) {
            match self.plain(sender, Some(replicas)).await? {
                Found::Never => return Ok(()),
                Found::AtFirst => {}
                Found::Late => {
                    self.fanout.hints.set(tenant, matchers, true);
                    replicas.came_late();
                    return Err(StoreError::new(ErrorKind::Internal, "replicas came after other series"));
                }
            }
        }
        let (fanout, pinned, select) = (&*self.fanout, &self.pinned, &self.select);
        Gatherer { fanout, pinned, select, replicas, control: &self.control }.run(sender).await
    }

    /// Sends the series as they come, up to the first batch that has replicas.
    async fn plain(
        &self,
        sender: &mpsc::Sender<Batch>,
        replicas: Option<&Arc<Replicas>>,
    ) -> Result<Found, StoreError> {
        let Select { matchers, range, starts, newest_only, .. } = &self.select;
        let detail = if *newest_only { Detail::Newest } else { Detail::Samples };
        let wanted = Wanted { detail, starts: *starts, limit: 0 };
        let selected = self.fanout.select(&self.pinned, matchers, *range, wanted);
        let (mut series, mut sent) = (selected.await?, false);
        while let Some(batch) = series.next().await {
            let batch = batch?;
            let mut labels = batch.iter().map(|series| &series.labels);
            if replicas.is_some_and(|replicas| labels.any(|labels| replicas.labels.are_on(labels))) {
                return Ok(if sent { Found::Late } else { Found::AtFirst });
            }
            sent |= !batch.is_empty();
            if sender.send(Ok(Fetched::Series(batch))).await.is_err() {
                break;
            }
        }
        Ok(Found::Never)
    }
}

/// Dropping it ends the task and, with it, the stores' work.
pub(super) struct Cursor {
    receiver: mpsc::Receiver<Batch>,
    coverage: Arc<Coverage>,
    deduplicator: Deduplicator,
    control: Control,
    metrics: DedupMetrics,
    /// Of which times of the range one sample a window is left.
    gone: Vec<(TimeRange, Resolution)>,
}

impl Cursor {
    /// One series of each group; those without samples are left out.
    fn put_together(&mut self, groups: Vec<Gathered>) -> Result<Vec<SeriesSamples>, SourceError> {
        self.control.check().map_err(|error| SourceError(Arc::new(error)))?;
        let (mut all, mut read) = (Vec::with_capacity(groups.len()), (0, 0));
        for group in groups {
            read = count(&group.replicas, read);
            let series = self.deduplicator.merge(group.labels, group.replicas);
            if !series.is_empty() {
                all.push(series);
            }
        }
        // The engine counts what it gets; what it does not get was read as well.
        let answered = count(&all, (0, 0));
        self.control.count_read(read.0 - answered.0, read.1 - answered.1);
        Ok(all)
    }
}

/// Series and samples, added up.
fn count(series: &[SeriesSamples], (all, samples): (u64, u64)) -> (u64, u64) {
    let more: usize = series.iter().map(|one| one.values.len() + one.histograms.len()).sum();
    (all + series.len() as u64, samples + more as u64)
}

impl SeriesCursor for Cursor {
    fn next_batch(&mut self) -> Result<Option<Vec<SeriesSamples>>, SourceError> {
        loop {
            // Stores may need the turn that putting groups together has taken.
            self.control.rest();
            let fetched = self.receiver.blocking_recv().transpose();
            let series = match fetched.map_err(|error| SourceError(Arc::new(error)))? {
                None => return Ok(None),
                Some(Fetched::Series(series)) => return Ok(Some(series)),
                Some(Fetched::Groups(groups)) => self.put_together(groups)?,
            };
            if !series.is_empty() {
                return Ok(Some(series));
            }
        }
    }

    fn warnings(&self) -> Vec<String> {
        let thinned = self.gone.iter().map(|(_, resolution)| *resolution).max();
        let thinned = thinned.map(|resolution| {
            format!("samples of a part of the time are gone: of each {resolution} there, only the last one is read")
        });
        self.coverage.warnings().into_iter().chain(thinned).collect()
    }
}

impl Drop for Cursor {
    fn drop(&mut self) {
        self.metrics.add(self.deduplicator.tally());
    }
}
