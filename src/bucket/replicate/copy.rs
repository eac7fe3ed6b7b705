//! The copying of one block.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context;
use futures::TryStreamExt;
use latewood_base::Ulid;
use latewood_block::BlockMeta;
use latewood_catalog::{BlockEntry, FileEntry};
use latewood_model::TenantId;
use latewood_objstore::{Bucket, BucketError};
use tokio::fs::File;
use tokio::io::AsyncWriteExt;

/// Bytes that are read at once.
const CHUNK: u64 = 8 << 20;

/// Copies blocks from bucket to bucket, by way of a folder of the local disk.
#[derive(Debug)]
pub struct Copier {
    /// Where from.
    pub from: Bucket,
    /// Where to.
    pub to: Bucket,
    /// Where a file is between the two.
    pub folder: PathBuf,
}

/// How a copy ended.
#[derive(Debug)]
pub enum Copied {
    /// All files are in the target.
    Whole(Ulid),
    /// A file is not what the catalog says of it; what is wrong.
    Damaged(String),
}

impl Copier {
    /// Copies what is not in the target yet, `meta.json` last: a folder that has it is whole.
    ///
    /// # Errors
    /// When a bucket does not answer, or the local disk fails.
    pub async fn copy(&self, tenant: &TenantId, block: &BlockEntry) -> anyhow::Result<Copied> {
        let folder = block.folder(tenant);
        let there = self.there(&folder).await?;
        let is_missing =
            |file: &&FileEntry| there.get(&format!("{folder}/{}", file.path)) != Some(&file.size);
        let mut missing: Vec<&FileEntry> = block.files.iter().filter(is_missing).collect();
        missing.sort_by_key(|file| file.path == BlockMeta::FILE);
        let local = self.folder.join(format!("{}.part", block.id));
        for file in missing {
            let key = format!("{folder}/{}", file.path);
            let fetched = self.fetch(&key, file, &local).await?;
            if let Some(problem) = fetched {
                let _ = tokio::fs::remove_file(&local).await;
                return Ok(Copied::Damaged(format!("{key}: {problem}")));
            }
            self.to.put_file(&key, &local).await?;
        }
        // None where all was there.
        let _ = tokio::fs::remove_file(&local).await;
        Ok(Copied::Whole(block.id))
    }

    /// The sizes of the objects that the target has in a folder.
    async fn there(&self, folder: &str) -> Result<BTreeMap<String, u64>, BucketError> {
        let objects = self.to.list(folder, None).map_ok(|object| (object.key, object.size));
        objects.try_collect().await
    }

    /// Brings a file to the local disk, a chunk at a time; what is wrong with it, if anything is.
    async fn fetch(&self, key: &str, file: &FileEntry, local: &Path) -> anyhow::Result<Option<String>> {
        let size = match self.from.head(key).await {
            Err(BucketError::NotFound { .. }) => return Ok(Some("missing".to_owned())),
            info => info?.size,
        };
        if size != file.size {
            return Ok(Some(format!("{size} bytes; {} were written", file.size)));
        }
        let failed = || format!("cannot write {}", local.display());
        let mut part = File::create(local).await.with_context(failed)?;
        let (mut crc, mut at, mut json) = (0, 0, Vec::new());
        while at < size {
            let end = size.min(at.saturating_add(CHUNK));
            for bytes in self.from.get_ranges(key, std::slice::from_ref(&(at..end))).await? {
                crc = crc32c::crc32c_append(crc, &bytes);
                part.write_all(&bytes).await.with_context(failed)?;
                if file.path == BlockMeta::FILE && size <= BlockMeta::MAX_BYTES {
                    json.extend_from_slice(&bytes);
                }
            }
            at = end;
        }
        part.flush().await.with_context(failed)?;
        // `meta.json` has its checksum in itself.
        if file.path == BlockMeta::FILE {
            return Ok(BlockMeta::from_json(&json).err().map(|error| error.to_string()));
        }
        let is_other = |written: u32| {
            (written != crc).then(|| format!("its checksum is {crc:08x}; {written:08x} was written"))
        };
        Ok(file.crc32c.and_then(is_other))
    }
}
