//! A job done: blocks read, merged, written, published and committed.
//!
//! Invariant: until the commit the inputs are live and the outputs unknown, so that it may be cut short at any point,
//! and be done twice at once: the commit requires that the inputs are still live and that every deletion that binds one of
//! them was applied. What an unfinished job leaves in the bucket is garbage like any other.

mod inputs;
mod outputs;
mod scratch;

pub(crate) use scratch::Scratch;

use std::sync::Arc;

use futures::StreamExt;
use latewood_base::{Ids, Offload};
use latewood_block::{BlockHeader, ReaderConfig, SelectSpec, WriterConfig};
use latewood_blockstore::Publisher;
use latewood_catalog::{BlockEntry, Change, Conflict, TenantCatalog, View};
use latewood_model::{Resolution, TenantId, TimeRange};
use latewood_objstore::Bucket;

use self::inputs::Inputs;
use self::outputs::{Outputs, Written};
use crate::CompactError;
use crate::plan::Job;

/// Windows written in one pass over the inputs: each has a row group open.
const WINDOWS_AT_ONCE: usize = 8;

/// Tiers of a day and more are read for years: they are worth a denser encoding.
const DENSE_MS: i64 = 86_400_000;

/// zstd level of blocks of short windows, and of long ones.
const ZSTD_LEVELS: (i32, i32) = (3, 6);

/// Does jobs. Clones share what they use.
#[derive(Clone, Debug)]
pub(crate) struct Compaction {
    pub(crate) bucket: Bucket,
    pub(crate) ids: Ids,
    /// Blocks are decoded and encoded here.
    pub(crate) offload: Offload,
    pub(crate) publisher: Publisher,
    pub(crate) reader: ReaderConfig,
    pub(crate) writer: WriterConfig,
    pub(crate) scratch: Scratch,
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
        let inputs = Inputs::open(self, view, job).await?;
        let mut added = Vec::new();
        for windows in job.windows.chunks(WINDOWS_AT_ONCE) {
            added.extend(self.pass(&inputs, view.tenant.clone(), job, windows).await?);
        }
        let outcome = Outcome::Done {
            blocks: added.len(),
            samples: added.iter().map(|block| block.samples).sum(),
            bytes: added.iter().map(|block| block.bytes).sum(),
        };
        match catalog.commit(Change::replace(added, job.ids(), inputs.tombstones)).await {
            Ok(_) => Ok(outcome),
            Err(error) if error.conflict().is_some_and(is_overtaken) => Ok(Outcome::Overtaken),
            Err(error) => Err(error.into()),
        }
    }

    /// Reads what the inputs have of some windows, and publishes a block for each.
    async fn pass(
        &self,
        inputs: &Inputs,
        tenant: TenantId,
        job: &Job,
        windows: &[TimeRange],
    ) -> Result<Vec<BlockEntry>, CompactError> {
        let (Some(first), Some(last)) = (windows.first(), windows.last()) else { return Ok(Vec::new()) };
        let range = TimeRange::new(first.start, last.end);
        let spec = SelectSpec { matchers: Vec::new(), range, skip_samples: false, skip_starts: false };
        let level = job.inputs.iter().map(|block| block.level).max().unwrap_or(0).saturating_add(1);
        let header = BlockHeader {
            lineage: job.ids(),
            level,
            ..BlockHeader::new(self.ids.next(), tenant, Resolution::Raw)
        };
        let folder = self.scratch.folder(header.id)?;
        let ids = windows.iter().map(|window| (*window, self.ids.next())).collect();
        let mut outputs = Outputs::new(folder.path(), header, ids, self.writer_for(windows));
        let mut series = inputs.merged(&spec);
        while let Some(batch) = series.next().await {
            let batch = batch.map_err(|error| inputs.failed().unwrap_or(error.into()))?;
            let metadata = Arc::clone(&inputs.metadata);
            outputs = self.offload.background().run(move || outputs.push(batch, &metadata)).await??;
            // What is finished does not wait on the local disk.
            for (key, part) in outputs.take_finished() {
                self.publisher.publish_part(&key, part).await?;
            }
        }
        let written = self.offload.background().run(move || outputs.finish()).await??;
        let mut blocks = Vec::with_capacity(written.len());
        for Written { dir, meta, uploaded } in written {
            blocks.push(self.publisher.publish_rest(&dir, &meta, &uploaded).await?);
        }
        Ok(blocks)
    }

    fn writer_for(&self, windows: &[TimeRange]) -> WriterConfig {
        let is_long = |window: &TimeRange| window.end.saturating_sub(window.start) >= DENSE_MS - 1;
        let (short, long) = ZSTD_LEVELS;
        let zstd_level = if windows.iter().any(is_long) { long } else { short };
        WriterConfig { zstd_level, ..self.writer.clone() }
    }
}

/// Whether others were faster: another compactor, or a deletion.
fn is_overtaken(conflict: &Conflict) -> bool {
    matches!(conflict, Conflict::BlockNotLive(_) | Conflict::TombstoneNotApplied { .. })
}
