//! The I/O of one tenant's log: reads commits and checkpoints, writes checkpoints. Decides nothing about
//! what a commit means, nor where a reader begins: `load.rs`.

use std::sync::Arc;

use bytes::Bytes;
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use latewood_base::Ulid;
use latewood_model::TenantId;
use latewood_objstore::{BucketError, ObjectInfo};

use crate::catalogs::Shared;
use crate::checkpoint::{Checkpoint, CheckpointRef};
use crate::envelope::{self, Kind};
use crate::{CatalogError, Commit, View, keys};

/// Objects up to this many bytes are parsed where they arrive; larger ones off the runtime.
const INLINE_BYTES: usize = 64 << 10;
/// Views of up to this many blocks are copied where they are; larger ones off the runtime.
pub(crate) const INLINE_BLOCKS: usize = 2_048;

/// One tenant's log.
#[derive(Clone, Debug)]
pub(crate) struct Log {
    pub(crate) tenant: TenantId,
    pub(crate) shared: Arc<Shared>,
}

impl Log {
    /// The commit of a sequence, or none when the log ends before it.
    pub(crate) async fn read_commit(&self, sequence: u64) -> Result<Option<Commit>, CatalogError> {
        let key = keys::commit(&self.tenant, sequence);
        let max = self.shared.config.max_commit_bytes;
        let object = match self.shared.bucket.get(&key, max).await {
            Err(BucketError::NotFound { .. }) => return Ok(None),
            object => object?,
        };
        let commit: Commit = self.decode(Kind::Commit, &key, object).await?;
        if commit.sequence != sequence || commit.tenant != self.tenant {
            let message = format!("it is commit {} of {}", commit.sequence, commit.tenant);
            return Err(CatalogError::Corrupt { key, message });
        }
        self.shared.metrics.commits_read.inc();
        Ok(Some(commit))
    }

    /// The id of the commit of a sequence, or none when the log ends before it.
    pub(crate) async fn commit_id(&self, sequence: u64) -> Result<Option<Ulid>, CatalogError> {
        Ok(self.read_commit(sequence).await?.map(|commit| commit.id))
    }

    pub(crate) async fn decode<T>(&self, kind: Kind, key: &str, object: Bytes) -> Result<T, CatalogError>
    where
        T: serde::de::DeserializeOwned + Send + 'static,
    {
        if object.len() <= INLINE_BYTES {
            return envelope::decode(kind, key, &object);
        }
        let key = key.to_owned();
        let decoded = self.shared.offload.run(move || envelope::decode(kind, &key, &object));
        decoded.await?
    }

    /// Applies the commits after a view, to the end of the log; `width` are read at once to begin with. The first place
    /// that is free ends the log, which has no gaps: a commit that is seen beyond it is damage.
    pub(crate) async fn follow(&self, mut view: View, width: usize) -> Result<View, CatalogError> {
        let widest = self.shared.config.read_concurrency;
        let (mut width, mut newest, mut missed) = (width.min(widest), 0, None);
        loop {
            let sequences = view.version + 1..=view.version + width as u64;
            let reads = stream::iter(sequences).map(|sequence| self.read_commit(sequence));
            let commits: Vec<Option<Commit>> = reads.buffered(width).try_collect().await?;
            newest = commits.iter().flatten().map(|commit| commit.sequence).fold(newest, u64::max);
            let found: Vec<Commit> = commits.into_iter().map_while(|commit| commit).collect();
            let ended = found.len() < width;
            view = self.replay(view, found).await?;
            if ended && view.version >= newest {
                return Ok(view);
            }
            // One that was made while its successors were read is there at the second look.
            if ended && missed.replace(view.version) == Some(view.version) {
                return Err(self.missing(view.version + 1, newest));
            }
            width = (width * 2).min(widest);
        }
    }

    /// The error of a commit that is not there though a later one is.
    pub(crate) fn missing(&self, sequence: u64, later: u64) -> CatalogError {
        let key = keys::commit(&self.tenant, sequence);
        CatalogError::Corrupt { key, message: format!("it is missing, and commit {later} is there") }
    }

    async fn replay(&self, mut view: View, commits: Vec<Commit>) -> Result<View, CatalogError> {
        let tenant = self.tenant.clone();
        let large = view.blocks.len() > INLINE_BLOCKS;
        let replay = move || {
            for commit in commits {
                view = view.applied(&commit).map_err(|conflict| CatalogError::Corrupt {
                    key: keys::commit(&tenant, commit.sequence),
                    message: format!("it does not fit the commits before it: {conflict}"),
                })?;
            }
            Ok(view)
        };
        if large { self.shared.offload.run(replay).await? } else { replay() }
    }

    pub(crate) async fn read_checkpoint(&self, version: u64) -> Result<View, CatalogError> {
        let key = keys::checkpoint(&self.tenant, version);
        let max = self.shared.config.max_checkpoint_bytes;
        let object = self.shared.bucket.get(&key, max).await?;
        let checkpoint: Checkpoint = self.decode(Kind::Checkpoint, &key, object).await?;
        let view = checkpoint.into_view(&self.tenant, version);
        view.map_err(|message| CatalogError::Corrupt { key, message })
    }

    /// Writes the checkpoint of a view. Two writers of the same version write the same bytes.
    pub(crate) async fn write_checkpoint(&self, view: Arc<View>) -> Result<(), CatalogError> {
        let key = keys::checkpoint(&self.tenant, view.version);
        let encode = move || envelope::encode(Kind::Checkpoint, &CheckpointRef::of(&view));
        let object = self.shared.offload.run(encode).await?;
        let object = object.map_err(|message| CatalogError::Corrupt { key: key.clone(), message })?;
        let (size, max) = (object.len() as u64, self.shared.config.max_checkpoint_bytes);
        if size > max {
            let tenant = self.tenant.to_string();
            return Err(CatalogError::TooLarge { tenant, size, max });
        }
        self.shared.bucket.put(&key, object).await?;
        self.shared.metrics.checkpoints.inc();
        Ok(())
    }

    /// Whether an object is there.
    pub(crate) async fn is_there(&self, key: &str) -> Result<bool, CatalogError> {
        match self.shared.bucket.head(key).await {
            Ok(_) => Ok(true),
            Err(BucketError::NotFound { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// The versions of the checkpoints with their objects, oldest first.
    pub(crate) async fn checkpoints(&self) -> Result<Vec<(u64, ObjectInfo)>, CatalogError> {
        let folder = keys::checkpoint_folder(&self.tenant);
        let listing = self.shared.bucket.list(&folder, None);
        numbered(listing, folder).await
    }

    /// The oldest commit that is left, if any is.
    pub(crate) async fn oldest_commit(&self) -> Result<Option<ObjectInfo>, CatalogError> {
        let folder = keys::log_folder(&self.tenant);
        let first = self.shared.bucket.list(&folder, None).try_next().await?;
        Ok(first.filter(|info| keys::number(&folder, &info.key).is_some()))
    }

    /// The sequences of the commits after one with their objects, oldest first.
    pub(crate) async fn commits_after(&self, sequence: u64) -> Result<Vec<(u64, ObjectInfo)>, CatalogError> {
        let folder = keys::log_folder(&self.tenant);
        let after = keys::commit(&self.tenant, sequence);
        let listing = self.shared.bucket.list(&folder, Some(&after));
        numbered(listing, folder).await
    }
}

/// The objects that have numbers for names; they come first, and what follows them is not read.
async fn numbered(
    listing: BoxStream<'static, Result<ObjectInfo, BucketError>>,
    folder: String,
) -> Result<Vec<(u64, ObjectInfo)>, CatalogError> {
    let numbers = listing.try_take_while(move |info| {
        let numbered = keys::number(&folder, &info.key).is_some();
        std::future::ready(Ok(numbered))
    });
    let infos: Vec<ObjectInfo> = numbers.try_collect().await?;
    let number = |info: &ObjectInfo| info.key.rsplit('/').next().and_then(|name| name.parse().ok());
    let numbered = infos.into_iter().filter_map(|info| Some((number(&info)?, info)));
    Ok(numbered.collect())
}
