//! The blocks that a job is made of, as one stream of series.

use std::collections::HashMap;
use std::sync::Arc;

use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt, stream};
use latewood_base::Ulid;
use latewood_block::{Block, BlockError, RollupColumns, RollupSpec, SelectSpec};
use latewood_blockstore::Masks;
use latewood_catalog::{BlockEntry, View};
use latewood_model::dedup::ReplicaLabels;
use latewood_model::rollup::{RollupWindows, SeriesRollups};
use latewood_model::{Labels, MetricMetadata, TimeRange, TimestampMs};
use latewood_proto::store::{BatchBounds, SeriesStream, StoreError, merge_series};
use parking_lot::Mutex;

use super::Compaction;
use crate::CompactError;

/// Blocks opened at once.
const OPENED_AT_ONCE: usize = 8;

/// Type, unit and help by metric.
#[derive(Default)]
pub(super) struct Metadata(HashMap<String, MetricMetadata>);

impl Metadata {
    /// What is known of a series' metric.
    pub(super) fn of(&self, labels: &Labels) -> Option<&MetricMetadata> {
        labels.metric_name().and_then(|metric| self.0.get(metric))
    }
}

/// An open block, and what is deleted from it.
#[derive(Clone)]
struct Input {
    entry: Arc<BlockEntry>,
    block: Arc<Block>,
    masks: Masks,
    /// Later samples are not looked at.
    until: TimestampMs,
}

/// Open blocks that are read together.
#[derive(Clone)]
pub(super) struct Inputs {
    blocks: Vec<Input>,
    /// How many are read side by side, these among them.
    beside: usize,
    /// What is known of the metrics; the newest block knows best.
    pub(super) metadata: Arc<Metadata>,
    /// The first block that failed while it was read, and why.
    failure: Arc<Mutex<Option<(Ulid, BlockError)>>>,
}

impl Inputs {
    /// Opens blocks and reads their tables.
    pub(super) async fn open(
        compaction: &Compaction,
        view: &View,
        entries: &[Arc<BlockEntry>],
    ) -> Result<Self, CompactError> {
        let opening: Vec<_> = entries.iter().map(|entry| open(compaction, view, entry)).collect();
        let opened: Vec<_> = stream::iter(opening).buffered(OPENED_AT_ONCE).try_collect().await?;
        let (mut blocks, mut metadata) = (Vec::with_capacity(opened.len()), Metadata::default());
        for (input, described) in opened {
            metadata.0.extend(described);
            blocks.push(input);
        }
        let beside = blocks.len();
        Ok(Self { blocks, beside, metadata: Arc::new(metadata), failure: Arc::default() })
    }

    /// These and others beside them, which failures are told of as well.
    pub(super) fn with(&self, others: Self) -> Self {
        let blocks: Vec<Input> = self.blocks.iter().cloned().chain(others.blocks).collect();
        Self { beside: blocks.len(), blocks, ..self.clone() }
    }

    /// Some of them, of which failures are told as well.
    pub(super) fn only(&self, is_one: impl Fn(&BlockEntry) -> bool) -> Self {
        let blocks = self.blocks.iter().filter(|input| is_one(&input.entry)).cloned().collect();
        Self { blocks, ..self.clone() }
    }

    /// Their samples up to a time.
    pub(super) fn until(mut self, until: TimestampMs) -> Self {
        self.blocks.iter_mut().for_each(|input| input.until = until);
        self
    }

    /// These, of which so many selections are read side by side.
    pub(super) fn times(self, selections: usize) -> Self {
        Self { beside: self.beside.saturating_mul(selections.max(1)), ..self }
    }

    /// Whether any series has one of these labels.
    pub(super) async fn have_any(&self, labels: &ReplicaLabels) -> Result<bool, CompactError> {
        for Input { entry, block, .. } in &self.blocks {
            let names = block.label_names(&[], TimeRange::ALL).await;
            let names = names.map_err(|source| CompactError::Input { block: entry.id, source })?;
            if names.iter().any(|name| labels.names().contains(name)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// All their series in storage order, those of equal labels joined by the tie rule, less what was deleted.
    pub(super) fn merged(&self, spec: &SelectSpec) -> SeriesStream {
        let sources = self.blocks.iter().map(|Input { entry, block, masks, until }| {
            let masks = masks.clone();
            let range = TimeRange::new(spec.range.start, spec.range.end.min(*until));
            let batches = block.select_beside(SelectSpec { range, ..spec.clone() }, self.beside);
            self.source(entry.id, batches, move |one| masks.apply(one))
        });
        merge_series(sources.collect(), BatchBounds::default())
    }

    /// The same of rollups, which have these windows.
    pub(super) fn merged_rollups(&self, windows: RollupWindows) -> SeriesStream<SeriesRollups> {
        let (matchers, range, columns) = (Vec::new(), TimeRange::ALL, RollupColumns::ALL);
        let spec = RollupSpec { matchers, range, skip_windows: false, columns };
        let sources = self.blocks.iter().map(|Input { entry, block, masks, .. }| {
            let masks = masks.clone();
            let batches = block.select_rollups_beside(spec.clone(), self.beside);
            self.source(entry.id, batches, move |one| masks.apply_rollups(one, windows))
        });
        merge_series(sources.collect(), BatchBounds::default())
    }

    /// What is left of a block's series; a failure is noted.
    fn source<S: Send + 'static>(
        &self,
        id: Ulid,
        batches: BoxStream<'static, Result<Vec<S>, BlockError>>,
        left: impl Fn(S) -> Option<S> + Send + 'static,
    ) -> SeriesStream<S> {
        let failure = Arc::clone(&self.failure);
        let batches = batches.map(move |batch| match batch {
            Ok(series) => Ok(series.into_iter().filter_map(&left).collect()),
            Err(error) => {
                let told = StoreError::from_kinded(&error);
                failure.lock().get_or_insert((id, error));
                Err(told)
            }
        });
        batches.boxed()
    }

    /// The block that made a stream of these fail, if one did.
    pub(super) fn failed(&self) -> Option<CompactError> {
        let failure = self.failure.lock().take();
        failure.map(|(block, source)| CompactError::Input { block, source })
    }
}

type Opened = (Input, Vec<(String, MetricMetadata)>);

async fn open(compaction: &Compaction, view: &View, entry: &Arc<BlockEntry>) -> Result<Opened, CompactError> {
    let failed = |source| CompactError::Input { block: entry.id, source };
    let folder = entry.folder(&view.tenant);
    let (bucket, offload) = (Arc::clone(&compaction.bucket), compaction.offload.background());
    let block = Block::open(bucket, &folder, offload, compaction.reader()).await.map_err(failed)?;
    let described = block.metadata(None).await.map_err(failed)?;
    let masks = Masks::of(view, entry.id)?;
    Ok((Input { entry: Arc::clone(entry), block, masks, until: TimestampMs::MAX }, described))
}
