//! The engine's door to the stores: a blocking cursor over a bounded channel that a task fills.

use std::sync::Arc;

use futures::StreamExt;
use latewood_base::ErrorKind;
use latewood_model::dedup::ReplicaLabels;
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
use super::joined::{Batches, Joined};
use super::merging::Merging;
use super::share::{Reads, Share};
use super::{Coverage, Fanout, Pinned, Replicas, Wanted};
use crate::metrics::DedupMetrics;
use crate::resolutions::{AskedSeries, SourceResolution};

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
    /// What ingesters told at the first time that it mattered which windows have all samples.
    pub(crate) known_spans: Mutex<Option<Arc<[TimeRange]>>>,
}

impl FanoutSource {
    /// A cursor over samples.
    pub(super) fn samples(&self, select: &Select) -> Box<dyn SeriesCursor> {
        let shares = match &self.replicas {
            Some(replicas) => {
                Share::of(select.range, self.pinned.held.segments(select.range, &replicas.labels))
            }
            None => vec![Share::whole(select.range)],
        };
        let told = self.told(select);
        let mut cursors: Vec<Cursor> =
            shares.into_iter().map(|share| self.cursor(select, share, &told)).collect();
        match (cursors.pop(), cursors.is_empty()) {
            (Some(only), true) => Box::new(only),
            (last, _) => Box::new(Joined::new(cursors.into_iter().chain(last))),
        }
    }

    fn cursor(&self, select: &Select, share: Share, told: &[String]) -> Cursor {
        let (sender, receiver) = mpsc::channel(self.batches_ahead);
        let fetch = Fetch {
            fanout: Arc::clone(&self.fanout),
            pinned: self.pinned.clone(),
            select: select.clone(),
            share: share.clone(),
            control: self.control.clone(),
            canceled: self.canceled.clone(),
            replicas: self.replicas.clone(),
        };
        self.runtime.spawn(fetch.run(sender));
        Cursor {
            receiver,
            coverage: Arc::clone(&self.pinned.coverage),
            merging: Merging::new(share, self.metrics.clone()),
            control: self.control.clone(),
            told: told.to_vec(),
        }
    }

    /// What the answer must say of the times that are read.
    fn told(&self, select: &Select) -> Vec<String> {
        let gone = self.pinned.held.gone(select.range).into_iter();
        let thinned = gone.map(|(_, resolution)| resolution).max().map(|resolution| {
            format!("samples of a part of the time are gone: of each {resolution} there, only the last one is read")
        });
        let lost = self.pinned.held.lost(select.range, self.asked(&select.matchers));
        let merged = (!lost.is_empty()).then(|| {
            let labels = lost.join(", ");
            format!(
                "HA replicas cannot be told apart in a part of the time: compaction has made one series of them there, \
                 without {labels} (with compactor.deduplicate: false it leaves them as they are from then on)"
            )
        });
        thinned.into_iter().chain(merged).collect()
    }

    /// The series that matchers ask for.
    pub(super) fn asked<'a>(&'a self, matchers: &'a [Matcher]) -> AskedSeries<'a> {
        const APART: &ReplicaLabels = &ReplicaLabels::NONE;
        AskedSeries { without: self.replicas.as_ref().map_or(APART, |replicas| &replicas.labels), matchers }
    }

    /// The coarsest resolution that may be read by choice, and whether that may be where it is not exact.
    fn wish(&self) -> (Resolution, bool) {
        match self.resolution {
            SourceResolution::Auto => (Resolution::OneDay, false),
            SourceResolution::UpTo(coarsest) => (coarsest, true),
        }
    }
}

impl SeriesSource for FanoutSource {
    fn select(&self, select: &Select) -> Result<Box<dyn SeriesCursor>, SourceError> {
        Ok(self.samples(select))
    }

    fn resolutions(&self, matchers: &[Matcher], range: TimeRange) -> Resolutions {
        self.pinned.held.resolutions(range, self.asked(matchers), self.wish())
    }

    fn select_rollups(&self, select: &RollupSelect) -> Result<Box<dyn RollupCursor>, SourceError> {
        let windows = self.windows(select);
        Ok(Box::new(windows.map_err(|error| SourceError(Arc::new(error)))?))
    }
}

/// Fetches the samples of a share of a selection.
struct Fetch {
    fanout: Arc<Fanout>,
    pinned: Pinned,
    select: Select,
    share: Share,
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
        if !replicas.are_expected() && !self.fanout.hints.has(tenant, matchers, self.share.stock) {
            match self.plain(sender, Some(replicas)).await? {
                Found::Never => return Ok(()),
                Found::AtFirst => {}
                Found::Late => {
                    self.fanout.hints.set(tenant, matchers, self.share.stock, true);
                    replicas.came_late();
                    return Err(StoreError::new(ErrorKind::Internal, "replicas came after other series"));
                }
            }
        }
        let (fanout, pinned, select, share) = (&*self.fanout, &self.pinned, &self.select, &self.share);
        Gatherer { fanout, pinned, select, share, replicas, control: &self.control }.run(sender).await
    }

    /// Sends the series as they come, up to the first batch that has replicas.
    async fn plain(
        &self,
        sender: &mpsc::Sender<Batch>,
        replicas: Option<&Arc<Replicas>>,
    ) -> Result<Found, StoreError> {
        let Select { matchers, starts, newest_only, .. } = &self.select;
        // Of several segments the newest sample may be between them.
        let newest_only = *newest_only && self.share.is_single();
        let detail = if newest_only { Detail::Newest } else { Detail::Samples };
        let wanted = Wanted { detail, starts: *starts, limit: 0 };
        let reads = replicas.map_or_else(
            || Reads::of(self.select.range),
            |replicas| self.share.reads_at_first(&replicas.labels),
        );
        let selected = self.fanout.select_of(&self.pinned, matchers, &reads, wanted);
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
    merging: Merging,
    control: Control,
    /// What the answer must say of the times that are read.
    told: Vec<String>,
}

impl Cursor {
    /// One series of each group; those without samples are left out.
    fn put_together(&mut self, groups: Vec<Gathered>) -> Result<Vec<SeriesSamples>, SourceError> {
        self.control.check().map_err(|error| SourceError(Arc::new(error)))?;
        let (mut all, mut read) = (Vec::with_capacity(groups.len()), (0, 0));
        for group in groups {
            read = count(&group.replicas, read);
            all.extend(self.merging.merge(group.labels, group.replicas));
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
                Some(Fetched::Series(series)) => self.merging.cut(series),
                Some(Fetched::Groups(groups)) => self.put_together(groups)?,
            };
            if !series.is_empty() {
                return Ok(Some(series));
            }
        }
    }

    fn warnings(&self) -> Vec<String> {
        self.coverage.warnings().into_iter().chain(self.told.iter().cloned()).collect()
    }
}

impl Batches for Cursor {
    type Series = SeriesSamples;

    fn next_batch(&mut self) -> Result<Option<Vec<SeriesSamples>>, SourceError> {
        SeriesCursor::next_batch(self)
    }
}

impl SeriesCursor for Joined<Cursor> {
    fn next_batch(&mut self) -> Result<Option<Vec<SeriesSamples>>, SourceError> {
        self.joined_batch()
    }

    fn warnings(&self) -> Vec<String> {
        // All say the same.
        self.sources().next().map_or_else(Vec::new, SeriesCursor::warnings)
    }
}
