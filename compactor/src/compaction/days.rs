//! A window of days: its samples in one block, unless they stay as they are, and its rollups; HA replicas as one series.
//!
//! Which samples of replicas stand is decided once, by the function that queries apply, and feeds the raw block and the
//! rollups in one pass. Beside the block comes its tail: what the replicas had in the last hour, which decides what stands
//! behind the window.

use std::sync::Arc;

use latewood_base::Ulid;
use latewood_block::BlockHeader;
use latewood_catalog::{BlockEntry, View};
use latewood_model::TimeRange;
use latewood_model::dedup::{LOOKBACK_MS, Stock};
use latewood_proto::store::{BatchBounds, SeriesStream, merge_series};

use super::inputs::Inputs;
use super::raw::RawOutputs;
use super::replicas::OneSeries;
use super::rollups::RollupOutputs;
use super::sinks::{Place, Sinks};
use super::{Compaction, Made, all_of, header};
use crate::CompactError;
use crate::plan::{Deduplicated, Job, JobKind, Replaced};

/// A window of days to be written.
pub(super) struct Days<'a> {
    pub(super) compaction: &'a Compaction,
    pub(super) view: &'a View,
    pub(super) job: &'a Job,
    pub(super) replaced: &'a Replaced,
    pub(super) window: TimeRange,
    pub(super) place: &'a Place,
}

/// What becomes of the window's raw blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Raw {
    /// They stay.
    Stay,
    /// They become one, with all their series.
    Join,
    /// They become one, and its tail, with one series of the replicas.
    Deduplicate,
}

/// The window's samples, as far as they must be looked at.
struct Samples<'a> {
    /// The job's inputs.
    inputs: Inputs,
    /// These and the window's tails.
    own: Inputs,
    /// These and what was before the window.
    all: Inputs,
    deduplicated: Deduplicated<'a>,
    /// Whether there may be replicas: they must be told from each other.
    have_replicas: bool,
}

impl Days<'_> {
    /// Makes and publishes the blocks.
    pub(super) async fn made(&self) -> Result<Made, CompactError> {
        let samples = self.open().await?;
        let raw = self.raw(&samples);
        let made = match raw {
            Raw::Stay => self.rolled_up(&samples, self.job.ids()).await.map(|blocks| self.beside(blocks)),
            Raw::Join => self.joined(&samples).await,
            Raw::Deduplicate => self.deduplicated(&samples).await,
        };
        match made {
            Err(error) if error.is_of_shape() && self.job.kind == JobKind::Merge && !self.is_rolled_up() => {
                tracing::warn!(
                    tenant = %self.place.tenant, window = ?self.window, %error,
                    "the window is joined with its HA replicas, and not downsampled"
                );
                self.left_as_they_are(&samples).await
            }
            made => made,
        }
    }

    /// Whether rollups name any of the inputs: they would speak of blocks that are no more.
    fn is_rolled_up(&self) -> bool {
        let ids = self.job.ids();
        self.replaced.blocks.iter().any(|rollup| rollup.lineage.iter().any(|id| ids.contains(id)))
    }

    async fn open(&self) -> Result<Samples<'_>, CompactError> {
        let (compaction, labels) = (self.compaction, &self.compaction.replica_labels);
        let deduplicated = Deduplicated::of(self.view, labels);
        let inputs = Inputs::open(compaction, self.view, &self.job.inputs).await?;
        let any_deduplicated = self.job.inputs.iter().any(|block| deduplicated.has(block));
        let have_replicas = any_deduplicated || inputs.have_any(labels).await?;
        let (mut own, mut all) = (inputs.clone(), inputs.clone());
        if have_replicas {
            own = inputs.with(Inputs::open(compaction, self.view, &self.readable_tails()).await?);
            let before = Inputs::open(compaction, self.view, &self.replaced.lookback).await?;
            all = own.with(before.until(self.window.start.saturating_sub(1)));
        }
        Ok(Samples { inputs, own, all, deduplicated, have_replicas })
    }

    fn raw(&self, samples: &Samples<'_>) -> Raw {
        let is_begun = self.job.inputs.iter().any(|block| samples.deduplicated.has(block));
        let may_begin = self.job.deduplicates && samples.have_replicas;
        match self.job.kind {
            JobKind::Rollup if is_begun || !may_begin => Raw::Stay,
            _ if is_begun || may_begin => Raw::Deduplicate,
            _ => Raw::Join,
        }
    }

    /// One series of the replicas: a raw block with its tail, and the rollups.
    async fn deduplicated(&self, samples: &Samples<'_>) -> Result<Made, CompactError> {
        let tail = self.tail(samples).await?;
        let labels = self.compaction.replica_labels.names().to_vec();
        let header = BlockHeader { deduplicated: true, replica_labels: labels, ..self.header() };
        let id = header.id;
        let mut blocks = self.written(samples, self.one_series(samples).await?, header).await?;
        // Where all samples were deleted there is no block, and a tail belongs to one.
        let is_there = blocks.iter().any(|block| block.id == id);
        blocks.extend(tail.into_iter().filter(|_| is_there));
        Ok(self.instead(blocks))
    }

    /// The samples as they are in one block, and the rollups.
    async fn joined(&self, samples: &Samples<'_>) -> Result<Made, CompactError> {
        let series = samples.inputs.merged(&all_of(self.window));
        if !samples.have_replicas {
            return Ok(self.instead(self.written(samples, series, self.header()).await?));
        }
        let header = self.header();
        let made_of = vec![header.id];
        let mut blocks = self.pass(&samples.inputs, series, self.raw_outputs(header)).await?;
        blocks.extend(self.rolled_up(samples, made_of).await?);
        Ok(self.instead(blocks))
    }

    /// The samples as they are in one block; the rollups are owed, and those that there are stay.
    async fn left_as_they_are(&self, samples: &Samples<'_>) -> Result<Made, CompactError> {
        let series = samples.inputs.merged(&all_of(self.window));
        let blocks = self.pass(&samples.inputs, series, self.raw_outputs(self.header())).await?;
        let remove = self.job.ids().into_iter().chain(self.tails()).collect();
        Ok(Made { blocks, remove, based_on: Vec::new() })
    }

    /// The rollups of the window, made of these raw blocks.
    async fn rolled_up(
        &self,
        samples: &Samples<'_>,
        made_of: Vec<Ulid>,
    ) -> Result<Vec<BlockEntry>, CompactError> {
        let sinks = Sinks { rollups: Some(self.rollups(&made_of)), ..Sinks::default() };
        self.pass(&samples.all, self.one_series(samples).await?, sinks).await
    }

    /// A raw block of series and the rollups in one pass.
    async fn written(
        &self,
        samples: &Samples<'_>,
        series: SeriesStream,
        header: BlockHeader,
    ) -> Result<Vec<BlockEntry>, CompactError> {
        let rollups = Some(self.rollups(&[header.id]));
        self.pass(&samples.all, series, Sinks { rollups, ..self.raw_outputs(header) }).await
    }

    /// What the replicas had in the last hour of the window; published before the block that it belongs to, so that a catalog
    /// made anew has none without its tail.
    async fn tail(&self, samples: &Samples<'_>) -> Result<Option<BlockEntry>, CompactError> {
        let start = self.window.end.saturating_sub(LOOKBACK_MS).saturating_add(1);
        let hour = TimeRange::new(start.max(self.window.start), self.window.end);
        let replicas = samples.own.only(|block| samples.deduplicated.is_of(Stock::Replicas, block));
        let sinks = self.raw_outputs(BlockHeader { tail: true, ..self.header() });
        let blocks = self.pass(&replicas, replicas.merged(&all_of(hour)), sinks).await?;
        Ok(blocks.into_iter().next())
    }

    /// The window's samples, HA replicas as one series.
    async fn one_series(&self, samples: &Samples<'_>) -> Result<SeriesStream, CompactError> {
        if !samples.have_replicas {
            return Ok(samples.inputs.merged(&all_of(self.window)));
        }
        let Compaction { replica_labels, offload, max_waiting_bytes, .. } = self.compaction;
        let segments = samples.deduplicated.segments(self.window);
        let one = OneSeries::new(replica_labels, offload, *max_waiting_bytes);
        let all = samples.all.clone().times(segments.len());
        let mut streams = Vec::with_capacity(segments.len());
        for segment in segments {
            let deciding = all.only(|block| samples.deduplicated.decides(&segment, block));
            streams.push(one.of(&deciding, &segment).await?);
        }
        Ok(merge_series(streams, BatchBounds::default()))
    }

    async fn pass(
        &self,
        inputs: &Inputs,
        series: SeriesStream,
        sinks: Sinks,
    ) -> Result<Vec<BlockEntry>, CompactError> {
        self.compaction.pass(inputs, series, sinks).await
    }

    fn header(&self) -> BlockHeader {
        let mut header = header(self.job, self.place);
        header.lineage.extend(self.tails());
        header
    }

    fn raw_outputs(&self, header: BlockHeader) -> Sinks {
        Sinks { raw: RawOutputs::new(self.place, [(self.window, header)]), rollups: None }
    }

    fn rollups(&self, made_of: &[Ulid]) -> RollupOutputs {
        let (level, labels) = (header(self.job, self.place).level, &self.compaction.replica_labels);
        RollupOutputs::new(self.place, self.window, made_of, level, labels)
    }

    /// The tails that damage does not keep from being read.
    fn readable_tails(&self) -> Vec<Arc<BlockEntry>> {
        let is_readable = |tail: &&Arc<BlockEntry>| !self.view.no_compact.contains_key(&tail.id);
        self.replaced.tails.iter().filter(is_readable).cloned().collect()
    }

    fn tails(&self) -> impl Iterator<Item = Ulid> {
        self.replaced.tails.iter().map(|tail| tail.id)
    }

    /// Blocks that take the place of all that there was.
    fn instead(&self, blocks: Vec<BlockEntry>) -> Made {
        let remove = self.job.ids().into_iter().chain(self.job.replaced_ids()).collect();
        Made { blocks, remove, based_on: Vec::new() }
    }

    /// Blocks that take the place of rollups alone.
    fn beside(&self, blocks: Vec<BlockEntry>) -> Made {
        let remove = self.replaced.blocks.iter().map(|block| block.id).collect();
        Made { blocks, remove, based_on: self.job.ids() }
    }
}
