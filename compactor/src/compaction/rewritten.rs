//! Rollups out of rollups, where samples are gone: without what was deleted, or joined with those of neighbouring windows.

use std::collections::HashMap;
use std::sync::Arc;

use futures::StreamExt;
use latewood_block::{BlockHeader, WriterConfig};
use latewood_catalog::{BlockEntry, View};
use latewood_model::rollup::RollupWindows;
use latewood_model::{Resolution, TimeRange};

use super::Compaction;
use super::inputs::Inputs;
use super::output::{Output, Written};
use super::sinks::Place;
use crate::CompactError;
use crate::plan::{Job, JobKind, lineage};

impl Compaction {
    /// Writes the rollups of a job anew, finest first: each for itself, or those of one resolution as one. They name the raw
    /// blocks that their inputs named, and the finer rollups that there are now.
    pub(super) async fn rewritten(
        &self,
        view: &View,
        job: &Job,
        place: &Place,
    ) -> Result<Vec<BlockEntry>, CompactError> {
        let (mut added, mut renamed) = (Vec::new(), HashMap::new());
        let belong = |a: &Arc<BlockEntry>, b: &Arc<BlockEntry>| {
            job.kind == JobKind::Join && a.resolution == b.resolution
        };
        for entries in job.inputs.chunk_by(belong) {
            let Some(first) = entries.first() else { continue };
            let id = self.ids.next();
            let window = entries.iter().filter_map(|entry| entry.window).reduce(TimeRange::union);
            let header = BlockHeader {
                lineage: lineage(entries, &renamed),
                level: entries.iter().map(|entry| entry.level).max().unwrap_or(0).saturating_add(1),
                deduplicated: entries.iter().all(|entry| entry.deduplicated),
                replica_labels: labels_of(entries),
                window,
                window_ms: window.and_then(|window| parts_of(window, first.resolution)),
                ..BlockHeader::new(id, place.tenant.clone(), first.resolution)
            };
            added.extend(self.rewritten_block(view, entries, place, header).await?);
            renamed.extend(entries.iter().map(|entry| (entry.id, id)));
        }
        Ok(added)
    }

    async fn rewritten_block(
        &self,
        view: &View,
        entries: &[Arc<BlockEntry>],
        place: &Place,
        header: BlockHeader,
    ) -> Result<Option<BlockEntry>, CompactError> {
        let Some(windows) = RollupWindows::of(header.resolution) else { return Ok(None) };
        let inputs = Inputs::open(self, view, entries).await?;
        let (mut series, offload) = (inputs.merged_rollups(windows), self.offload.background());
        let config = WriterConfig { zstd_level: super::rollups::ZSTD_LEVEL, ..WriterConfig::default() };
        let mut output = Output::new(&place.folder, header, config);
        while let Some(batch) = series.next().await {
            let batch = batch.map_err(|error| inputs.failed().unwrap_or(error.into()))?;
            let metadata = Arc::clone(&inputs.metadata);
            let write = move || {
                for left in batch {
                    output.writer()?.push_rollups(&left, metadata.of(&left.labels))?;
                }
                Ok::<_, CompactError>(output)
            };
            output = offload.run(write).await??;
            for (folder, part) in output.take_finished() {
                self.publisher.publish_part(&folder, part).await?;
            }
        }
        // A block without windows says that nothing is owed.
        let finish = move || {
            output.writer()?;
            output.finish()
        };
        let Some(Written { dir, meta, uploaded }) = offload.run(finish).await?? else { return Ok(None) };
        Ok(Some(self.publisher.publish_rest(&dir, &meta, &uploaded).await?))
    }
}

/// The labels that the replicas of all rollups differed by; none where some differed by others.
fn labels_of(entries: &[Arc<BlockEntry>]) -> Vec<String> {
    let first = entries.first().map(|entry| entry.replica_labels.clone()).unwrap_or_default();
    let is_alike = |entry: &Arc<BlockEntry>| entry.deduplicated && entry.replica_labels == first;
    if entries.iter().all(is_alike) { first } else { Vec::new() }
}

const WEEK_MS: i64 = 7 * 86_400_000;

/// Windows of five minutes are many: weeks of them are cut apart, so that a short query reads its part of a long block.
fn parts_of(window: TimeRange, resolution: Resolution) -> Option<i64> {
    let length = window.end.saturating_sub(window.start).saturating_add(1);
    (resolution == Resolution::FiveMinutes && length > WEEK_MS).then(|| {
        // Fewer than a block can have.
        let weeks = (length / WEEK_MS / 32).saturating_add(1);
        weeks.saturating_mul(WEEK_MS)
    })
}
