//! Why a step of a flush failed. Every step is tried again.

use latewood_base::{ErrorKind, Kinded, OffloadError};
use latewood_block::BlockError;
use latewood_blockstore::BlockStoreError;
use latewood_catalog::CatalogError;
use latewood_cluster::ClusterError;
use latewood_objstore::BucketError;

use super::ForeignNumber;

/// Why a step of a flush failed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum FlushError {
    /// A block was not written or not opened.
    #[error(transparent)]
    Block(#[from] BlockError),
    /// The catalog did not take the commit.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// The shard's log did not take the step.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// The shard's checkpoint is of another release.
    #[error("the checkpoint of shard {shard} cannot be read: it was written by a newer release, upgrade")]
    Checkpoint {
        /// The shard.
        shard: u32,
    },
    /// A local block is not what was written, or the bucket did not take it; or the local disk failed, or work off the
    /// runtime. What is damaged is in the journal, too.
    #[error(transparent)]
    Store(#[from] BlockStoreError),
    /// The data directory is another bucket's: nothing of it may be committed in this one.
    #[error(transparent)]
    Foreign(#[from] ForeignNumber),
    /// The catalog has other blocks under all ids of a block.
    #[error("the catalog has other blocks under all ids of generation {generation}")]
    NoBlockId {
        /// The generation.
        generation: u64,
    },
    /// Nobody waits any longer for blocks that the bucket has not taken.
    #[error(
        "not all blocks are in the bucket after {waited_seconds} s; they are safe on disk, and it is tried again: \
         {reason}"
    )]
    NotInBucket {
        /// How long it was waited.
        waited_seconds: u64,
        /// Why the last attempt failed, if one did.
        reason: String,
    },
    /// The ingester is stopping.
    #[error("the ingester is stopping")]
    Stopping,
}

impl FlushError {
    pub(super) fn disk(path: &std::path::Path, error: &dyn ToString) -> Self {
        let (path, message) = (path.display().to_string(), error.to_string());
        Self::Store(BlockStoreError::Disk { path, message })
    }
}

impl From<BucketError> for FlushError {
    fn from(error: BucketError) -> Self {
        Self::Store(error.into())
    }
}

impl From<OffloadError> for FlushError {
    fn from(error: OffloadError) -> Self {
        Self::Store(error.into())
    }
}

impl Kinded for FlushError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Block(error) => error.kind(),
            Self::Catalog(error) => error.kind(),
            Self::Cluster(error) => error.kind(),
            Self::Checkpoint { .. } => ErrorKind::Internal,
            Self::Store(error) => error.kind(),
            Self::NoBlockId { .. } | Self::Foreign(_) => ErrorKind::Conflict,
            Self::NotInBucket { .. } | Self::Stopping => ErrorKind::Unavailable,
        }
    }
}
