//! Local blocks: where a closed generation lives until it is in the bucket.
//!
//! ```text
//! <data>/unflushed/shard-<n>/gen-<g>/<i>/…          one block per tenant, as latewood_block writes it
//! <data>/unflushed/shard-<n>/gen-<g>/complete.json  written last: which tenant is which folder
//! ```
//! A generation without `complete.json` was interrupted: it is deleted and written again from the journal's
//! replay. One with it is all of the generation, so that a replay need not keep its samples; therefore it is
//! read from end to end before, and where it is damaged the journal counts.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use latewood_base::{Offload, Rng, Shutdown};
use latewood_block::{BlockHeader, BlockWriter, ReaderConfig, WriterConfig};
use latewood_blockstore::{BlockStoreError, verify_files};
use latewood_model::{Resolution, TenantId};
use latewood_objstore::{Bucket, DirectoryBucket};
use serde::{Deserialize, Serialize};

use super::local_block::BlockSource;
use super::{DiskBudget, FlushError, FlushIdentity, LocalBlock, LocalGeneration, OpenTables};
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
    identity: FlushIdentity,
    shared: LocalShared,
}

/// What the local blocks of all shards share.
#[derive(Clone, Debug)]
pub struct LocalShared {
    /// How blocks are written.
    pub writer: WriterConfig,
    /// How they are read.
    pub reader: ReaderConfig,
    /// Where they are read.
    pub offload: Offload,
    /// For temporary names.
    pub rng: Rng,
    /// How much waits for the bucket.
    pub budget: Arc<DiskBudget>,
    /// Which blocks stay open.
    pub tables: Arc<OpenTables>,
    /// Ends the writing of blocks.
    pub shutdown: Shutdown,
}

/// What a shard's folder holds.
#[derive(Debug, Default)]
pub struct Survey {
    /// Generations that are all there, compared with their checksums.
    pub whole: BTreeSet<u64>,
    /// Generations that were whole once and cannot be read.
    pub damaged: BTreeSet<u64>,
}

impl LocalStore {
    /// The local blocks of the shard of this place below the data directory.
    ///
    /// # Errors
    /// The directory cannot be made.
    pub async fn open(
        data_dir: &Path,
        place: u32,
        identity: FlushIdentity,
        shared: LocalShared,
    ) -> Result<Self, FlushError> {
        let root = data_dir.join("unflushed").join(format!("shard-{place}"));
        let bucket = DirectoryBucket::open(&root, shared.rng.clone()).await?;
        Ok(Self { root, bucket: Arc::new(bucket), identity, shared })
    }

    /// Deletes all that is there of the shard of this place; nothing is no error. Blocks.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn remove(data_dir: &Path, place: u32) -> Result<(), FlushError> {
        let root = data_dir.join("unflushed").join(format!("shard-{place}"));
        match fs::remove_dir_all(&root) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(FlushError::disk(&root, &error))
            }
            _ => Ok(()),
        }
    }

    fn dir(&self, generation: u64) -> PathBuf {
        self.root.join(folder(generation))
    }

    /// Looks at all generations on disk. Those that were interrupted while they were written are deleted; the
    /// files of the others are read from end to end, because a replay relies on them instead of the journal.
    ///
    /// # Errors
    /// The directory cannot be read.
    pub async fn survey(&self) -> Result<Survey, FlushError> {
        let store = self.clone();
        let numbers = self.shared.offload.run(move || store.scan()).await??;
        let mut survey = Survey::default();
        for generation in numbers {
            match self.check(generation).await {
                Ok(()) => survey.whole.insert(generation),
                Err(error @ FlushError::Store(BlockStoreError::Offload(_))) => return Err(error),
                Err(error) => {
                    tracing::error!(generation, %error, "a local block cannot be used");
                    survey.damaged.insert(generation)
                }
            };
        }
        Ok(survey)
    }

    /// The generations whose `complete.json` is there; what is left of others is deleted. Blocks.
    fn scan(&self) -> Result<Vec<u64>, FlushError> {
        let mut whole = Vec::new();
        for generation in self.numbers()? {
            if self.dir(generation).join(COMPLETE).exists() {
                whole.push(generation);
            } else {
                self.delete(generation)?;
            }
        }
        Ok(whole)
    }

    /// The generations that have folders. Blocks.
    fn numbers(&self) -> Result<Vec<u64>, FlushError> {
        let failed = |error| FlushError::disk(&self.root, &error);
        let mut numbers = Vec::new();
        for entry in fs::read_dir(&self.root).map_err(failed)? {
            let name = entry.map_err(failed)?.file_name();
            numbers.extend(name.to_str().and_then(|name| name.strip_prefix("gen-")?.parse::<u64>().ok()));
        }
        Ok(numbers)
    }

    async fn check(&self, generation: u64) -> Result<(), FlushError> {
        for block in self.read(generation).await?.blocks().map(|(_, block)| Arc::clone(block)) {
            let check = move || verify_files(block.dir(), block.meta());
            self.shared.offload.run(check).await??;
        }
        Ok(())
    }

    /// Takes a generation that cannot be read out of the way, for people to look at. Blocks.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn set_aside(&self, generation: u64) -> Result<PathBuf, FlushError> {
        let aside = self.root.join(format!("damaged-{}", folder(generation)));
        let failed = |error: std::io::Error| FlushError::disk(&aside, &error);
        if aside.exists() {
            fs::remove_dir_all(&aside).map_err(failed)?;
        }
        fs::rename(self.dir(generation), &aside).map_err(failed)?;
        Ok(aside)
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
    /// The disk refuses, or the ingester stops.
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
        let id = self.identity.block_id(tenant, generation, (0, 0));
        let header = BlockHeader {
            shard: Some(self.identity.shard),
            generation: Some(generation),
            ..BlockHeader::new(id, tenant.clone(), Resolution::Raw)
        };
        let mut writer = BlockWriter::create(dir, header, self.shared.writer.clone())?;
        let mut cursor = head.read_once();
        // Series come by metric: one look-up for each.
        let mut known = (None::<String>, None);
        while let Some(batch) = cursor.next_batch(BATCH.0, BATCH.1) {
            // The directory is another process's as soon as this one has stopped.
            if self.shared.shutdown.has_begun() {
                return Err(FlushError::Stopping);
            }
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
        let mut blocks = BTreeMap::new();
        for (place, tenant) in complete.tenants.into_iter().enumerate() {
            let place = place.to_string();
            let source = self.source(format!("{}/{place}", folder(generation)));
            let block = LocalBlock::read(source, dir.join(place)).await?;
            blocks.insert(tenant, Arc::new(block));
        }
        Ok(Arc::new(LocalGeneration::new(blocks, &self.shared.budget)))
    }

    fn source(&self, key: String) -> BlockSource {
        let LocalShared { reader, offload, tables, .. } = self.shared.clone();
        BlockSource { bucket: Arc::clone(&self.bucket), key, offload, reader, tables }
    }

    /// Deletes the blocks of all generations up to `newest` but those that are `kept`. Blocks.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn delete_through(&self, newest: u64, kept: &BTreeSet<u64>) -> Result<(), FlushError> {
        let numbers = self.numbers()?.into_iter();
        numbers
            .filter(|number| *number <= newest && !kept.contains(number))
            .try_for_each(|old| self.delete(old))
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
}

fn folder(generation: u64) -> String {
    format!("gen-{generation}")
}

#[cfg(test)]
mod tests {
    use latewood_base::Ulid;
    use latewood_model::{Labels, Sample};

    use super::*;
    use crate::BatchBuilder;
    use crate::PushConfig;
    use crate::journal::EntryBuilder;

    fn generation() -> Arc<Generation> {
        let generation = Arc::new(Generation::new(7));
        let mut batch = BatchBuilder::new(TenantId::anonymous(), &[]);
        batch.push(&Labels::from_pairs([("__name__", "up")]), &[Sample { timestamp: 1, value: 1.0 }]);
        let batch = batch.build();
        let mut entry = EntryBuilder::new(&generation, 1);
        batch.rows().for_each(|row| entry.push(batch.tenant(), row));
        let entry = entry.build();
        generation.apply(&entry);
        generation
    }

    async fn store(dir: &Path, shutdown: &Shutdown) -> LocalStore {
        let shared = LocalShared {
            writer: WriterConfig::default(),
            reader: ReaderConfig::default(),
            offload: Offload::new(1),
            rng: Rng::seeded(1),
            budget: Arc::new(DiskBudget::new(u64::MAX, 0)),
            tables: Arc::new(OpenTables::new(1 << 20)),
            shutdown: shutdown.clone(),
        };
        let identity = FlushIdentity { journal: Ulid::nil(), shard: 3 };
        LocalStore::open(dir, 0, identity, shared).await.unwrap()
    }

    #[tokio::test]
    async fn writing_ends_with_the_ingester_and_leaves_nothing_that_counts() {
        let (dir, shutdown) = (tempfile::tempdir().unwrap(), Shutdown::new());
        let metadata = MetadataStore::new(&PushConfig::default());
        let store = store(dir.path(), &shutdown).await;
        shutdown.begin();
        let written = store.write(&generation(), &metadata);
        assert!(matches!(written, Err(FlushError::Stopping)), "{written:?}");
        let survey = store.survey().await.unwrap();
        assert!(survey.whole.is_empty() && survey.damaged.is_empty());
    }

    #[tokio::test]
    async fn a_survey_tells_whole_damaged_and_interrupted_apart() {
        let dir = tempfile::tempdir().unwrap();
        let metadata = MetadataStore::new(&PushConfig::default());
        let store = store(dir.path(), &Shutdown::new()).await;
        store.write(&generation(), &metadata).unwrap();
        assert_eq!(store.survey().await.unwrap().whole, [7].into());
        let files = store.read(7).await.unwrap();
        let (_, block) = files.blocks().next().unwrap();
        let part = block.dir().join(&block.meta().parts[0].path);
        let mut bytes = fs::read(&part).unwrap();
        bytes[5] ^= 1;
        fs::write(&part, bytes).unwrap();
        let survey = store.survey().await.unwrap();
        assert_eq!((survey.whole, survey.damaged), (BTreeSet::new(), [7].into()));
        let aside = store.set_aside(7).unwrap();
        assert!(aside.join(COMPLETE).exists() && store.survey().await.unwrap().damaged.is_empty());
        fs::create_dir_all(store.dir(8).join("0")).unwrap();
        assert!(store.survey().await.unwrap().whole.is_empty() && !store.dir(8).exists());
    }
}
