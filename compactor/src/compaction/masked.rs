//! Rollups without what was deleted, where their samples are gone.

use std::collections::HashMap;
use std::sync::Arc;

use futures::StreamExt;
use latewood_base::Ulid;
use latewood_block::{Block, BlockHeader, RollupColumns, RollupSpec, WriterConfig};
use latewood_blockstore::Masks;
use latewood_catalog::{BlockEntry, View};
use latewood_model::TimeRange;
use latewood_model::rollup::RollupWindows;

use super::Compaction;
use super::inputs::Metadata;
use super::output::{Output, Written};
use super::sinks::Place;
use crate::CompactError;
use crate::plan::Job;

impl Compaction {
    /// Writes the rollups of a window anew, finest first. Their lineage stays, but that each names the finer one that
    /// there is now.
    pub(super) async fn masked(
        &self,
        view: &View,
        job: &Job,
        place: &Place,
    ) -> Result<Vec<BlockEntry>, CompactError> {
        let (mut added, mut renamed) = (Vec::new(), HashMap::new());
        for entry in &job.inputs {
            let id = self.ids.next();
            let now = |old: &Ulid| renamed.get(old).copied().unwrap_or(*old);
            let header = BlockHeader {
                lineage: entry.lineage.iter().map(now).collect(),
                level: entry.level.saturating_add(1),
                deduplicated: entry.deduplicated,
                window: entry.window,
                ..BlockHeader::new(id, place.tenant.clone(), entry.resolution)
            };
            added.extend(self.masked_block(view, entry, place, header).await?);
            renamed.insert(entry.id, id);
        }
        Ok(added)
    }

    async fn masked_block(
        &self,
        view: &View,
        entry: &BlockEntry,
        place: &Place,
        header: BlockHeader,
    ) -> Result<Option<BlockEntry>, CompactError> {
        let failed = |source| CompactError::Input { block: entry.id, source };
        let Some(windows) = RollupWindows::of(entry.resolution) else { return Ok(None) };
        let (bucket, offload) = (Arc::clone(&self.bucket), self.offload.background());
        let folder = entry.folder(&view.tenant);
        let block = Block::open(bucket, &folder, offload.clone(), self.reader()).await.map_err(failed)?;
        let metadata = Arc::new(Metadata::from_iter(block.metadata(None).await.map_err(failed)?));
        let (masks, all) = (Masks::of(view, entry.id)?, (Vec::new(), TimeRange::ALL));
        let (matchers, range) = all;
        let spec = RollupSpec { matchers, range, skip_windows: false, columns: RollupColumns::ALL };
        let mut series = block.select_rollups(spec);
        let config = WriterConfig { zstd_level: super::rollups::ZSTD_LEVEL, ..WriterConfig::default() };
        let mut output = Output::new(&place.folder, header, config);
        while let Some(batch) = series.next().await {
            let batch = batch.map_err(failed)?;
            let (masks, metadata) = (masks.clone(), Arc::clone(&metadata));
            let write = move || {
                for left in batch.into_iter().filter_map(|one| masks.apply_rollups(one, windows)) {
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
