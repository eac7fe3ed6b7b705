//! One tenant's local block, open while somebody reads it and for as long as there is room.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};

use latewood_base::Offload;
use latewood_block::{Block, BlockError, BlockMeta, ReaderConfig};
use latewood_objstore::Bucket;
use tokio::sync::Mutex;

use super::OpenTables;

/// One tenant's local block.
#[derive(Debug)]
pub struct LocalBlock {
    meta: BlockMeta,
    dir: PathBuf,
    source: BlockSource,
    /// The open block, while anybody holds it.
    open: Mutex<Weak<Block>>,
}

/// How a local block is opened.
#[derive(Clone, Debug)]
pub(super) struct BlockSource {
    pub(super) bucket: Bucket,
    pub(super) key: String,
    pub(super) offload: Offload,
    pub(super) reader: ReaderConfig,
    pub(super) tables: Arc<OpenTables>,
}

impl BlockSource {
    async fn open(&self) -> Result<Arc<Block>, BlockError> {
        let bucket = Arc::clone(&self.bucket);
        Block::open(bucket, &self.key, self.offload.clone(), self.reader.clone()).await
    }
}

impl LocalBlock {
    /// The block in a folder; opens it once, to see what it is.
    pub(super) async fn read(source: BlockSource, dir: PathBuf) -> Result<Self, BlockError> {
        let meta = source.open().await?.meta().clone();
        Ok(Self { meta, dir, source, open: Mutex::default() })
    }

    /// What `meta.json` says.
    #[must_use]
    pub fn meta(&self) -> &BlockMeta {
        &self.meta
    }

    /// Its folder on disk.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The block, for reading. Those who read at once share it.
    ///
    /// # Errors
    /// The block cannot be read.
    pub async fn open(self: Arc<Self>) -> Result<OpenLocalBlock, BlockError> {
        let mut open = self.open.lock().await;
        let block = match open.upgrade() {
            Some(block) => block,
            None => self.source.open().await?,
        };
        *open = Arc::downgrade(&block);
        drop(open);
        self.source.tables.used(&block);
        Ok(OpenLocalBlock { block, local: self })
    }
}

impl Drop for LocalBlock {
    fn drop(&mut self) {
        if let Some(block) = self.open.get_mut().upgrade() {
            self.source.tables.forget(&block);
        }
    }
}

/// An open local block. Its files stay while this is held, and its tables at least as long.
#[derive(Debug)]
pub struct OpenLocalBlock {
    block: Arc<Block>,
    local: Arc<LocalBlock>,
}

impl OpenLocalBlock {
    /// The block.
    #[must_use]
    pub fn block(&self) -> &Arc<Block> {
        &self.block
    }
}

impl Drop for OpenLocalBlock {
    fn drop(&mut self) {
        self.local.source.tables.trim();
    }
}
