//! The blocks that a pass makes: one a window, begun with its first sample.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use latewood_base::Ulid;
use latewood_block::{BlockHeader, BlockMeta, BlockWriter, WriterConfig};
use latewood_model::{SeriesSamples, TimeRange, TimestampMs};

use super::inputs::Metadata;
use crate::CompactError;

/// A block on the local disk.
pub(super) struct Written {
    pub(super) dir: PathBuf,
    pub(super) meta: BlockMeta,
    pub(super) window: TimeRange,
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
}

impl Outputs {
    /// Of ascending windows that do not overlap, each with the id of its block.
    pub(super) fn new(
        folder: &Path,
        header: BlockHeader,
        windows: Vec<(TimeRange, Ulid)>,
        config: WriterConfig,
    ) -> Self {
        let output = |(window, id): (TimeRange, Ulid)| (window.end, Output { window, id, writer: None });
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

    /// Ends the blocks that have samples. Blocks.
    pub(super) fn finish(self) -> Result<Vec<Written>, CompactError> {
        let mut written = Vec::new();
        for Output { window, id, writer } in self.windows.into_values() {
            if let Some(writer) = writer {
                written.push(Written {
                    dir: self.folder.join(id.to_string()),
                    meta: writer.finish()?,
                    window,
                });
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
                let header = BlockHeader { id: self.id, ..header.clone() };
                let dir = folder.join(self.id.to_string());
                Ok(none.insert(BlockWriter::create(&dir, header, config.clone())?))
            }
        }
    }
}
