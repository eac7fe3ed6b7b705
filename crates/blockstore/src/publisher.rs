//! A block on the local disk to the bucket.

use std::collections::BTreeSet;
use std::path::Path;

use futures::stream::{StreamExt, TryStreamExt, iter};
use latewood_base::Offload;
use latewood_block::{BlockMeta, FileMeta, FinishedPart};
use latewood_catalog::{BlockEntry, block_folder};
use latewood_objstore::Bucket;

use crate::verify_files::verify_file;
use crate::{BlockStoreError, block_entry};

/// Brings blocks from the local disk to the bucket. Clones share what they use.
///
/// Files are read and compared before they are uploaded, because whoever publishes a block lets go of what it was made of.
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
    /// another id than it was written under. Returns the entry to commit; until then no reader knows of the block. May be
    /// repeated.
    ///
    /// # Errors
    /// [`BlockStoreError::Damaged`] when a file is not what was written, [`BlockStoreError::Bucket`].
    pub async fn publish(&self, dir: &Path, meta: &BlockMeta) -> Result<BlockEntry, BlockStoreError> {
        self.publish_rest(dir, meta, &BTreeSet::new()).await
    }

    /// As [`Publisher::publish`], where the files at these paths were uploaded before ([`Publisher::publish_part`]).
    ///
    /// # Errors
    /// As [`Publisher::publish`].
    pub async fn publish_rest(
        &self,
        dir: &Path,
        meta: &BlockMeta,
        uploaded: &BTreeSet<String>,
    ) -> Result<BlockEntry, BlockStoreError> {
        let folder = block_folder(&meta.tenant, meta.resolution, meta.id);
        let rest = meta.files.iter().filter(|file| !uploaded.contains(&file.path));
        let puts: Vec<_> = rest.map(|file| self.put(&folder, dir.join(&file.path), file)).collect();
        iter(puts).buffer_unordered(self.concurrency.max(1)).try_collect::<Vec<()>>().await?;
        let json = meta.to_json()?;
        let entry = block_entry(meta, json.len() as u64);
        self.bucket.put(&format!("{folder}/{}", BlockMeta::FILE), json.into()).await?;
        Ok(entry)
    }

    /// Uploads a part of a block that is being written, and deletes the local file.
    ///
    /// # Errors
    /// As [`Publisher::publish`].
    pub async fn publish_part(&self, folder: &str, part: FinishedPart) -> Result<(), BlockStoreError> {
        let FinishedPart { local, path, size, crc32c } = part;
        self.put(folder, local.clone(), &FileMeta { path, size, crc32c }).await?;
        let path = local.display().to_string();
        let deleted = self.offload.run(move || std::fs::remove_file(&local)).await?;
        deleted.map_err(|error| BlockStoreError::Disk { path, message: error.to_string() })
    }

    async fn put(
        &self,
        folder: &str,
        local: std::path::PathBuf,
        file: &FileMeta,
    ) -> Result<(), BlockStoreError> {
        let (compared, written) = (local.clone(), file.clone());
        self.offload.run(move || verify_file(&compared, &written)).await??;
        Ok(self.bucket.put_file(&format!("{folder}/{}", file.path), &local).await?)
    }
}
