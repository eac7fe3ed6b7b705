//! A finished block on the local disk to the bucket.

use std::path::Path;

use futures::stream::{StreamExt, TryStreamExt, iter};
use latewood_base::Offload;
use latewood_block::BlockMeta;
use latewood_catalog::{BlockEntry, block_folder};
use latewood_objstore::Bucket;

use crate::verify_files::verify_files;
use crate::{BlockStoreError, block_entry};

/// Brings finished blocks from the local disk to the bucket. Clones share what they use.
#[derive(Clone, Debug)]
pub struct Publisher {
    /// Where to.
    pub bucket: Bucket,
    /// Where files are read and compared.
    pub offload: Offload,
    /// Files under way at once.
    pub concurrency: usize,
}

impl Publisher {
    /// Uploads the files of the block in `dir` and then `meta.json`: a folder with it is whole. `meta` may give the block
    /// another id than it was written under. The files are read and compared first, because whoever publishes a block
    /// lets go of what it was made of. Returns the entry to commit; until then no reader knows of the block. May be
    /// repeated.
    ///
    /// # Errors
    /// [`BlockStoreError::Damaged`] when a file is not what was written, [`BlockStoreError::Bucket`].
    pub async fn publish(&self, dir: &Path, meta: &BlockMeta) -> Result<BlockEntry, BlockStoreError> {
        let (compared_dir, compared) = (dir.to_owned(), meta.clone());
        self.offload.run(move || verify_files(&compared_dir, &compared)).await??;
        let folder = block_folder(&meta.tenant, meta.resolution, meta.id);
        let puts = meta.files.iter().map(|file| {
            let (key, path) = (format!("{folder}/{}", file.path), dir.join(&file.path));
            async move { self.bucket.put_file(&key, &path).await }
        });
        let puts: Vec<_> = puts.collect();
        iter(puts).buffer_unordered(self.concurrency.max(1)).try_collect::<Vec<()>>().await?;
        let json = meta.to_json()?;
        let entry = block_entry(meta, json.len() as u64);
        self.bucket.put(&format!("{folder}/{}", BlockMeta::FILE), json.into()).await?;
        Ok(entry)
    }
}
