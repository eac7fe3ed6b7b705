//! One block in the making, begun with its first series.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use latewood_block::{BlockHeader, BlockMeta, BlockWriter, FinishedPart, WriterConfig};
use latewood_catalog::block_folder;

use crate::CompactError;

/// A block on the local disk, less what is in the bucket.
pub(super) struct Written {
    pub(super) dir: PathBuf,
    pub(super) meta: BlockMeta,
    /// The paths of its files that are in the bucket already.
    pub(super) uploaded: BTreeSet<String>,
}

/// A block in the making; without series there will be none.
pub(super) struct Output {
    dir: PathBuf,
    header: BlockHeader,
    config: WriterConfig,
    writer: Option<BlockWriter>,
    uploaded: BTreeSet<String>,
}

impl Output {
    /// A block to be written into a folder of its own in `folder`.
    pub(super) fn new(folder: &Path, header: BlockHeader, config: WriterConfig) -> Self {
        let dir = folder.join(header.id.to_string());
        Self { dir, header, config, writer: None, uploaded: BTreeSet::new() }
    }

    /// What writes it. Blocks.
    pub(super) fn writer(&mut self) -> Result<&mut BlockWriter, CompactError> {
        match &mut self.writer {
            Some(writer) => Ok(writer),
            none => {
                let writer = BlockWriter::create(&self.dir, self.header.clone(), self.config.clone())?;
                Ok(none.insert(writer))
            }
        }
    }

    /// The files that have ended since it was last asked, each with the folder of the block in the bucket: to be uploaded
    /// and deleted.
    pub(super) fn take_finished(&mut self) -> Vec<(String, FinishedPart)> {
        let parts = self.writer.as_mut().map(BlockWriter::take_finished).unwrap_or_default();
        self.uploaded.extend(parts.iter().map(|part| part.path.clone()));
        let folder = block_folder(&self.header.tenant, self.header.resolution, self.header.id);
        parts.into_iter().map(|part| (folder.clone(), part)).collect()
    }

    /// Ends the block, if it has any series. Blocks.
    pub(super) fn finish(self) -> Result<Option<Written>, CompactError> {
        let Some(writer) = self.writer else { return Ok(None) };
        Ok(Some(Written { dir: self.dir, meta: writer.finish()?, uploaded: self.uploaded }))
    }
}
