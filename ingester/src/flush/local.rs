//! Local blocks: where a closed generation lives until it is in the bucket.
//!
//! ```text
//! <data>/unflushed/shard-<n>/gen-<g>/<i>/…          one block per tenant, as latewood_block writes it
//! <data>/unflushed/shard-<n>/gen-<g>/complete.json  written last: which tenant is which folder
//! ```
//! A generation without a readable `complete.json` was interrupted: it is deleted and written again from
//! the journal's replay. One with it is all of the generation, so that a replay need not keep its samples.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use latewood_base::{Offload, Rng};
use latewood_block::{Block, BlockHeader, BlockWriter, ReaderConfig, WriterConfig};
use latewood_model::{Resolution, TenantId, TimeRange};
use latewood_objstore::{Bucket, DirectoryBucket};
use serde::{Deserialize, Serialize};

use super::identity::block_id;
use super::{DiskBudget, FlushError};
use crate::head::{Generation, TenantHead};
use crate::metadata::MetadataStore;

/// Series and samples read from the head at a time while encoding.
const BATCH: (usize, usize) = (512, 65_536);

const COMPLETE: &str = "complete.json";
const COMPLETE_VERSION: u32 = 1;

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Complete {
    version: u32,
    /// The tenants in the order of their folders.
    tenants: Vec<TenantId>,
}

/// The local blocks of one shard.
#[derive(Clone, Debug)]
pub struct LocalStore {
    root: PathBuf,
    bucket: Bucket,
    shard: u32,
    writer: WriterConfig,
    reader: ReaderConfig,
    offload: Offload,
    budget: Arc<DiskBudget>,
}

/// One tenant's local block.
#[derive(Debug)]
pub struct LocalBlock {
    /// For reading.
    pub block: Arc<Block>,
    /// Its folder on disk.
    pub dir: PathBuf,
}

/// The local blocks of a closed generation, one per tenant. Their bytes count against the disk budget
/// until the last reader has let go.
#[derive(Debug)]
pub struct LocalGeneration {
    blocks: BTreeMap<TenantId, Arc<LocalBlock>>,
    bytes: u64,
    budget: Arc<DiskBudget>,
}

impl LocalGeneration {
    /// A tenant's block.
    #[must_use]
    pub fn block(&self, tenant: &TenantId) -> Option<Arc<LocalBlock>> {
        self.blocks.get(tenant).cloned()
    }

    /// All blocks.
    pub fn blocks(&self) -> impl Iterator<Item = (&TenantId, &Arc<LocalBlock>)> {
        self.blocks.iter()
    }

    /// Whether a query still reads one of the blocks.
    #[must_use]
    pub fn is_read(&self) -> bool {
        self.blocks.values().any(|block| Arc::strong_count(block) > 1)
    }

    /// Bytes on disk.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl Drop for LocalGeneration {
    fn drop(&mut self) {
        self.budget.release(self.bytes);
    }
}

impl LocalStore {
    /// The local blocks of a shard below the data directory.
    ///
    /// # Errors
    /// The directory cannot be made.
    pub async fn open(
        data_dir: &Path,
        shard: u32,
        (writer, reader): (WriterConfig, ReaderConfig),
        (offload, rng, budget): (Offload, Rng, Arc<DiskBudget>),
    ) -> Result<Self, FlushError> {
        let root = data_dir.join("unflushed").join(format!("shard-{shard}"));
        let bucket = DirectoryBucket::open(&root, rng).await?;
        Ok(Self { root, bucket: Arc::new(bucket), shard, writer, reader, offload, budget })
    }

    fn dir(&self, generation: u64) -> PathBuf {
        self.root.join(folder(generation))
    }

    /// The generations that are whole. Those that are not, are deleted. Blocks: call it off the runtime.
    ///
    /// # Errors
    /// The directory cannot be read.
    pub fn scan(&self) -> Result<BTreeSet<u64>, FlushError> {
        let failed = |error| FlushError::disk(&self.root, &error);
        let mut whole = BTreeSet::new();
        for entry in fs::read_dir(&self.root).map_err(failed)? {
            let name = entry.map_err(failed)?.file_name();
            let number = name.to_str().and_then(|name| name.strip_prefix("gen-")?.parse().ok());
            let Some(generation) = number else { continue };
            if self.complete(generation).is_some() {
                whole.insert(generation);
            } else {
                self.delete(generation)?;
            }
        }
        Ok(whole)
    }

    fn complete(&self, generation: u64) -> Option<Complete> {
        let json = fs::read(self.dir(generation).join(COMPLETE)).ok()?;
        let complete: Complete = serde_json::from_slice(&json).ok()?;
        (complete.version == COMPLETE_VERSION).then_some(complete)
    }

    /// Writes a generation's blocks, one tenant after another. Blocks for seconds: call it off the
    /// runtime. What an earlier attempt left behind is deleted first.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn write(&self, generation: &Generation, metadata: &MetadataStore) -> Result<(), FlushError> {
        let number = generation.number();
        self.delete(number)?;
        let mut tenants = Vec::new();
        for (place, tenant) in generation.tenants().into_iter().enumerate() {
            if let Some(head) = generation.tenant(&tenant) {
                let dir = self.dir(number).join(place.to_string());
                self.write_block(&dir, number, &tenant, &head, metadata)?;
            }
            tenants.push(tenant);
        }
        self.write_complete(number, tenants)
    }

    fn write_block(
        &self,
        dir: &Path,
        generation: u64,
        tenant: &TenantId,
        head: &Arc<TenantHead>,
        metadata: &MetadataStore,
    ) -> Result<(), FlushError> {
        let header = BlockHeader {
            id: block_id(tenant, self.shard, generation, 0),
            tenant: tenant.clone(),
            resolution: Resolution::Raw,
            shard: Some(self.shard),
            generation: Some(generation),
            lineage: Vec::new(),
        };
        let mut writer = BlockWriter::create(dir, header, self.writer.clone())?;
        let mut cursor = head.select(&[], TimeRange::ALL, false);
        // Series come by metric: one look-up for each.
        let mut known = (None::<String>, None);
        while let Some(batch) = cursor.next_batch(BATCH.0, BATCH.1) {
            for series in &batch {
                let metric = series.labels.metric_name();
                if known.0.as_deref() != metric {
                    let found = metric.and_then(|metric| {
                        let mut found = metadata.query(tenant, Some(metric), 1).into_iter();
                        found.find(|(name, _)| name == metric).map(|(_, metadata)| metadata)
                    });
                    known = (metric.map(str::to_owned), found);
                }
                writer.push(series, known.1.as_ref())?;
            }
        }
        writer.finish()?;
        Ok(())
    }

    fn write_complete(&self, generation: u64, tenants: Vec<TenantId>) -> Result<(), FlushError> {
        let dir = self.dir(generation);
        let failed = |error: std::io::Error| FlushError::disk(&dir, &error);
        fs::create_dir_all(&dir).map_err(failed)?;
        let complete = Complete { version: COMPLETE_VERSION, tenants };
        let json = serde_json::to_vec(&complete).map_err(|error| FlushError::disk(&dir, &error))?;
        let (draft, path) = (dir.join("complete.draft"), dir.join(COMPLETE));
        fs::write(&draft, json).map_err(failed)?;
        fs::File::open(&draft).and_then(|file| file.sync_all()).map_err(failed)?;
        fs::rename(&draft, &path).map_err(failed)?;
        for folder in [dir.as_path(), &self.root] {
            fs::File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)?;
        }
        Ok(())
    }

    /// Opens the blocks of a whole generation for reading.
    ///
    /// # Errors
    /// A block cannot be read.
    pub async fn read(&self, generation: u64) -> Result<Arc<LocalGeneration>, FlushError> {
        let dir = self.dir(generation);
        let missing = || FlushError::disk(&dir.join(COMPLETE), &"not there or not readable");
        let complete = self.complete(generation).ok_or_else(missing)?;
        let (mut blocks, mut bytes) = (BTreeMap::new(), 0);
        for (place, tenant) in complete.tenants.into_iter().enumerate() {
            let place = place.to_string();
            let key = format!("{}/{place}", folder(generation));
            let bucket = Arc::clone(&self.bucket);
            let block = Block::open(bucket, &key, self.offload.clone(), self.reader.clone()).await?;
            bytes += block.meta().bytes();
            let dir = dir.join(place);
            blocks.insert(tenant, Arc::new(LocalBlock { block, dir }));
        }
        self.budget.take(bytes);
        Ok(Arc::new(LocalGeneration { blocks, bytes, budget: Arc::clone(&self.budget) }))
    }

    /// Deletes a generation's blocks; none are no error. `complete.json` goes first, so that what a crash
    /// leaves is not taken for whole.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn delete(&self, generation: u64) -> Result<(), FlushError> {
        let dir = self.dir(generation);
        let gone = |result: std::io::Result<()>| match result {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(FlushError::disk(&dir, &error)),
            _ => Ok(()),
        };
        gone(fs::remove_file(dir.join(COMPLETE)))?;
        gone(fs::remove_dir_all(&dir))
    }

    /// How much waits on disk, all shards together.
    #[must_use]
    pub fn budget(&self) -> &Arc<DiskBudget> {
        &self.budget
    }
}

fn folder(generation: u64) -> String {
    format!("gen-{generation}")
}
