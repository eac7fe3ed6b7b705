//! A job done: blocks read, merged, written, published and committed.
//!
//! Invariant: until the commit the inputs are live and the outputs unknown, so that it may be cut short at any point,
//! and be done twice at once: the commit requires that the inputs are still live, that every deletion that binds one of
//! them was applied, and that nobody has made the same rollups meanwhile, or deleted what decided about replicas. What an unfinished job leaves in the bucket is garbage like any other.

mod days;
mod inputs;
mod output;
mod raw;
mod replicas;
mod rewritten;
mod rollups;
mod scratch;
mod sinks;

pub(crate) use scratch::Scratch;

use std::path::Path;
use std::sync::Arc;

use futures::StreamExt;
use latewood_base::{Ids, Offload, Ulid};
use latewood_block::{BlockHeader, ReaderConfig, SelectSpec};
use latewood_blockstore::Publisher;
use latewood_catalog::{BlockEntry, Change, Conflict, TenantCatalog, View};
use latewood_model::dedup::ReplicaLabels;
use latewood_model::{Resolution, TimeRange};
use latewood_objstore::Bucket;
use latewood_proto::store::SeriesStream;

use self::days::Days;
use self::inputs::Inputs;
use self::output::Written;
use self::raw::RawOutputs;
use self::sinks::{Place, Sinks};
use crate::CompactError;
use crate::plan::{Job, JobKind};

/// Windows written in one pass over the inputs: each has a row group open.
const WINDOWS_AT_ONCE: usize = 8;

/// Bytes of pages fetched in one round, of all inputs together.
const FETCH_BYTES: u64 = 16 << 20;

/// Does jobs. Clones share what they use.
#[derive(Clone, Debug)]
pub(crate) struct Compaction {
    pub(crate) bucket: Bucket,
    pub(crate) ids: Ids,
    /// Blocks are decoded and encoded here.
    pub(crate) offload: Offload,
    pub(crate) publisher: Publisher,
    pub(crate) scratch: Scratch,
    /// By which HA replicas differ; rollups are of one series without them.
    pub(crate) replica_labels: ReplicaLabels,
    /// The most bytes of a job's series that wait for those that they are deduplicated with.
    pub(crate) max_waiting_bytes: u64,
}

/// How a job ended that did not fail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The outputs have taken the inputs' place.
    Done {
        /// The outputs.
        blocks: usize,
        /// Their samples.
        samples: u64,
        /// Their bytes.
        bytes: u64,
    },
    /// Others have changed the inputs meanwhile: plan anew.
    Overtaken,
}

impl Compaction {
    /// Does a job that was planned on a view.
    ///
    /// # Errors
    /// [`CompactError`]; nothing has changed then.
    pub(crate) async fn run(
        &self,
        catalog: &TenantCatalog,
        view: &View,
        job: &Job,
    ) -> Result<Outcome, CompactError> {
        let folder = self.scratch.folder(self.ids.next())?;
        let made = self.made(view, job, folder.path()).await?;
        let outcome = Outcome::Done {
            blocks: made.blocks.len(),
            samples: made.blocks.iter().map(|block| block.samples).sum(),
            bytes: made.blocks.iter().map(|block| block.bytes).sum(),
        };
        let (change, mut is_first) = (made.change(view), true);
        let unless_done = |now: &View| {
            is_first = job.knows_rollups_of(now) && job.knows_deletions_before(view, now);
            is_first.then(|| change.clone())
        };
        match catalog.commit_with(unless_done).await {
            Ok(_) if is_first => Ok(outcome),
            Ok(_) => Ok(Outcome::Overtaken),
            Err(error) if error.conflict().is_some_and(is_overtaken) => Ok(Outcome::Overtaken),
            Err(error) => Err(error.into()),
        }
    }

    /// Makes and publishes the blocks of a job.
    async fn made(&self, view: &View, job: &Job, folder: &Path) -> Result<Made, CompactError> {
        let place = Place { folder: folder.to_owned(), tenant: view.tenant.clone(), ids: self.ids.clone() };
        if matches!(job.kind, JobKind::Mask | JobKind::Join) {
            let blocks = self.rewritten(view, job, &place).await?;
            return Ok(Made { blocks, remove: job.ids(), based_on: Vec::new() });
        }
        if let (Some(replaced), [window]) = (&job.rollups, job.windows.as_slice()) {
            return Days { compaction: self, view, job, replaced, window: *window, place: &place }
                .made()
                .await;
        }
        let inputs = Inputs::open(self, view, &job.inputs).await?;
        let mut blocks = Vec::new();
        for windows in job.windows.chunks(WINDOWS_AT_ONCE) {
            let headers = windows.iter().map(|window| (*window, header(job, &place)));
            let sinks = Sinks { raw: RawOutputs::new(&place, headers), rollups: None };
            blocks.extend(self.pass(&inputs, inputs.merged(&all_of(span(windows))), sinks).await?);
        }
        Ok(Made { blocks, remove: job.ids(), based_on: Vec::new() })
    }

    /// Writes and publishes what a stream of the inputs' series makes.
    async fn pass(
        &self,
        inputs: &Inputs,
        mut series: SeriesStream,
        mut sinks: Sinks,
    ) -> Result<Vec<BlockEntry>, CompactError> {
        while let Some(batch) = series.next().await {
            let batch = batch.map_err(|error| inputs.failed().unwrap_or(error.into()))?;
            let metadata = Arc::clone(&inputs.metadata);
            sinks = self.offload.background().run(move || sinks.push(batch, &metadata)).await??;
            // What is finished does not wait on the local disk.
            for (folder, part) in sinks.take_finished() {
                self.publisher.publish_part(&folder, part).await?;
            }
        }
        let written = self.offload.background().run(move || sinks.finish()).await??;
        let mut blocks = Vec::with_capacity(written.len());
        for Written { dir, meta, uploaded } in written {
            blocks.push(self.publisher.publish_rest(&dir, &meta, &uploaded).await?);
        }
        Ok(blocks)
    }

    /// How a job's blocks are read.
    fn reader(&self) -> ReaderConfig {
        ReaderConfig { fetch_bytes: FETCH_BYTES, ..ReaderConfig::default() }
    }
}

/// What a job has made.
struct Made {
    /// The outputs.
    blocks: Vec<BlockEntry>,
    /// The blocks whose place they take.
    remove: Vec<Ulid>,
    /// Blocks that they are made of and that stay.
    based_on: Vec<Ulid>,
}

impl Made {
    /// What is committed.
    fn change(self, view: &View) -> Change {
        let Self { blocks: add, remove, based_on } = self;
        let binds = |id: &&Ulid| {
            let tombstone = view.tombstones.get(id);
            let mut touched = remove.iter().chain(&based_on);
            tombstone.is_some_and(|tombstone| touched.any(|block| tombstone.blocks.contains(block)))
        };
        let applied_tombstones = view.tombstones.keys().filter(binds).copied().collect();
        Change { add, remove, based_on, applied_tombstones, ..Change::default() }
    }
}

/// The header of a raw block that a job's inputs become.
fn header(job: &Job, place: &Place) -> BlockHeader {
    let level = job.inputs.iter().map(|block| block.level).max().unwrap_or(0).saturating_add(1);
    let new = BlockHeader::new(place.ids.next(), place.tenant.clone(), Resolution::Raw);
    BlockHeader { lineage: job.ids(), level, ..new }
}

/// All samples of a range.
fn all_of(range: TimeRange) -> SelectSpec {
    SelectSpec { matchers: Vec::new(), range, skip_samples: false, skip_starts: false }
}

/// From the first window to the last.
fn span(windows: &[TimeRange]) -> TimeRange {
    windows.iter().copied().reduce(TimeRange::union).unwrap_or(TimeRange::EMPTY)
}

/// Whether others were faster: another compactor, or a deletion.
fn is_overtaken(conflict: &Conflict) -> bool {
    matches!(
        conflict,
        Conflict::BlockNotLive(_) | Conflict::TombstoneNotApplied { .. } | Conflict::TenantDeleted
    )
}
