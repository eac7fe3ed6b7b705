//! The blocks that a job is made of, as one stream of series.

use std::collections::HashMap;
use std::sync::Arc;

use futures::{StreamExt, TryStreamExt, stream};
use latewood_base::Ulid;
use latewood_block::{Block, BlockError, SelectSpec};
use latewood_blockstore::Masks;
use latewood_catalog::{BlockEntry, View};
use latewood_model::MetricMetadata;
use latewood_proto::store::{BatchBounds, SeriesStream, StoreError, merge_series};
use parking_lot::Mutex;

use super::Compaction;
use crate::CompactError;
use crate::plan::Job;

/// Blocks opened at once.
const OPENED_AT_ONCE: usize = 8;

/// Type, unit and help by metric.
pub(super) type Metadata = HashMap<String, MetricMetadata>;

/// The open blocks of a job.
pub(super) struct Inputs {
    blocks: Vec<(Ulid, Arc<Block>, Masks)>,
    /// What is known of the metrics; the newest block knows best.
    pub(super) metadata: Arc<Metadata>,
    /// The deletions that bind any of them.
    pub(super) tombstones: Vec<Ulid>,
    /// The first block that failed while it was read, and why.
    failure: Arc<Mutex<Option<(Ulid, BlockError)>>>,
}

impl Inputs {
    /// Opens the inputs of a job and reads their tables.
    pub(super) async fn open(compaction: &Compaction, view: &View, job: &Job) -> Result<Self, CompactError> {
        let opening: Vec<_> = job.inputs.iter().map(|entry| open(compaction, view, entry)).collect();
        let opened: Vec<_> = stream::iter(opening).buffered(OPENED_AT_ONCE).try_collect().await?;
        let (mut blocks, mut metadata) = (Vec::with_capacity(opened.len()), Metadata::new());
        for (id, block, masks, described) in opened {
            metadata.extend(described);
            blocks.push((id, block, masks));
        }
        let binds = |id: &Ulid| {
            view.tombstones
                .get(id)
                .is_some_and(|tombstone| job.inputs.iter().any(|block| tombstone.blocks.contains(&block.id)))
        };
        Ok(Self {
            blocks,
            metadata: Arc::new(metadata),
            tombstones: view.tombstones.keys().filter(|id| binds(id)).copied().collect(),
            failure: Arc::default(),
        })
    }

    /// All their series in storage order, those of equal labels joined by the tie rule, less what was deleted.
    pub(super) fn merged(&self, spec: &SelectSpec) -> SeriesStream {
        let side_by_side = self.blocks.len();
        let sources = self.blocks.iter().map(|(id, block, masks)| {
            let (id, masks, failure) = (*id, masks.clone(), Arc::clone(&self.failure));
            let batches = block.select_beside(spec.clone(), side_by_side);
            let batches = batches.map(move |batch| match batch {
                Ok(series) => Ok(series.into_iter().filter_map(|one| masks.apply(one)).collect()),
                Err(error) => {
                    let told = StoreError::from_kinded(&error);
                    failure.lock().get_or_insert((id, error));
                    Err(told)
                }
            });
            batches.boxed()
        });
        merge_series(sources.collect(), BatchBounds::default())
    }

    /// The block that made a stream of these fail, if one did.
    pub(super) fn failed(&self) -> Option<CompactError> {
        let failure = self.failure.lock().take();
        failure.map(|(block, source)| CompactError::Input { block, source })
    }
}

type Opened = (Ulid, Arc<Block>, Masks, Vec<(String, MetricMetadata)>);

async fn open(compaction: &Compaction, view: &View, entry: &BlockEntry) -> Result<Opened, CompactError> {
    let failed = |source| CompactError::Input { block: entry.id, source };
    let folder = entry.folder(&view.tenant);
    let (bucket, offload) = (Arc::clone(&compaction.bucket), compaction.offload.background());
    let block = Block::open(bucket, &folder, offload, compaction.reader.clone()).await.map_err(failed)?;
    let described = block.metadata(None).await.map_err(failed)?;
    Ok((entry.id, block, Masks::of(view, entry.id)?, described))
}
