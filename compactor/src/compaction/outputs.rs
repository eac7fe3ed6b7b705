//! The blocks that a pass makes: one a window, begun with its first sample.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use latewood_base::Ulid;
use latewood_block::{BlockHeader, BlockMeta, BlockWriter, FinishedPart, WriterConfig};
use latewood_catalog::block_folder;
use latewood_model::{SeriesSamples, TimeRange, TimestampMs};

use super::inputs::Metadata;
use crate::CompactError;

/// A block on the local disk, less what is in the bucket.
pub(super) struct Written {
    pub(super) dir: PathBuf,
    pub(super) meta: BlockMeta,
    /// The paths of its files that are in the bucket already.
    pub(super) uploaded: BTreeSet<String>,
}

/// The blocks of some windows in the making.
pub(super) struct Outputs {
    folder: PathBuf,
    header: BlockHeader,
    config: WriterConfig,
    /// By the windows' ends.
    windows: BTreeMap<TimestampMs, Output>,
}

struct Output {
    window: TimeRange,
    id: Ulid,
    writer: Option<BlockWriter>,
    uploaded: BTreeSet<String>,
}

impl Outputs {
    /// Of ascending windows that do not overlap, each with the id of its block.
    pub(super) fn new(
        folder: &Path,
        header: BlockHeader,
        windows: Vec<(TimeRange, Ulid)>,
        config: WriterConfig,
    ) -> Self {
        let output = |(window, id): (TimeRange, Ulid)| {
            (window.end, Output { window, id, writer: None, uploaded: BTreeSet::new() })
        };
        let windows = windows.into_iter().map(output).collect();
        Self { folder: folder.to_owned(), header, config, windows }
    }

    /// Takes the next series in storage order. Their samples are in the windows. Blocks.
    pub(super) fn push(
        mut self,
        batch: Vec<SeriesSamples>,
        metadata: &Metadata,
    ) -> Result<Self, CompactError> {
        for series in batch {
            let described = series.labels.metric_name().and_then(|metric| metadata.get(metric));
            let mut rest = Some(series);
            while let Some(series) = rest.take() {
                let Some(first) = series.first_time() else { break };
                let Some((_, output)) = self.windows.range_mut(first..).next() else {
                    debug_assert!(false, "a sample at {first} is in none of the windows");
                    break;
                };
                let (inside, later) = series.split_after(output.window.end);
                output.writer(&self.folder, &self.header, &self.config)?.push(&inside, described)?;
                rest = later;
            }
        }
        Ok(self)
    }

    /// The files that have ended since it was last asked, each with the folder of its block in the bucket: to be
    /// uploaded and deleted.
    pub(super) fn take_finished(&mut self) -> Vec<(String, FinishedPart)> {
        let mut taken = Vec::new();
        for output in self.windows.values_mut() {
            let Some(writer) = &mut output.writer else { continue };
            let folder = block_folder(&self.header.tenant, self.header.resolution, output.id);
            for part in writer.take_finished() {
                output.uploaded.insert(part.path.clone());
                taken.push((folder.clone(), part));
            }
        }
        taken
    }

    /// Ends the blocks that have samples. Blocks.
    pub(super) fn finish(self) -> Result<Vec<Written>, CompactError> {
        let mut written = Vec::new();
        for Output { id, writer, uploaded, .. } in self.windows.into_values() {
            if let Some(writer) = writer {
                let dir = self.folder.join(id.to_string());
                written.push(Written { dir, meta: writer.finish()?, uploaded });
            }
        }
        Ok(written)
    }
}

impl Output {
    fn writer(
        &mut self,
        folder: &Path,
        header: &BlockHeader,
        config: &WriterConfig,
    ) -> Result<&mut BlockWriter, CompactError> {
        match &mut self.writer {
            Some(writer) => Ok(writer),
            none => {
                let window_ms = parts_of(self.window);
                let header =
                    BlockHeader { id: self.id, window: Some(self.window), window_ms, ..header.clone() };
                let dir = folder.join(self.id.to_string());
                Ok(none.insert(BlockWriter::create(&dir, header, config.clone())?))
            }
        }
    }
}

const DAY_MS: i64 = 86_400_000;

/// Fewer than a block can have: they need not begin where the block does.
const MOST_PARTS: i64 = 60;

/// Into how long windows the samples of a block are cut, so that a short query reads its part of a long block: quarters
/// of a day, days of more. Blocks of less than a day are not.
fn parts_of(window: TimeRange) -> Option<i64> {
    let length = window.end.saturating_sub(window.start).saturating_add(1);
    let parts = match length / DAY_MS {
        0 => return None,
        1 => 4,
        days => days.min(MOST_PARTS),
    };
    Some((length / parts / 1_000).max(1) * 1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_blocks_are_cut_into_few_parts() {
        let hours = |hours: i64| parts_of(TimeRange::new(1, hours * 3_600_000)).map(|part| part / 3_600_000);
        assert_eq!([2, 12, 24, 48, 168].map(hours), [None, None, Some(6), Some(24), Some(24)]);
        assert_eq!(hours(24 * 10_000), Some(4_000));
    }
}
