//! Why a step of a flush failed. Every step is tried again.

use latewood_base::{ErrorKind, Kinded, OffloadError};
use latewood_block::BlockError;
use latewood_blockstore::BlockStoreError;
use latewood_catalog::CatalogError;
use latewood_cluster::ClusterError;
use latewood_objstore::BucketError;

/// Why a step of a flush failed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum FlushError {
    /// A block was not written or not opened.
    #[error(transparent)]
    Block(#[from] BlockError),
    /// The catalog did not take the commit.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// The bucket did not take a file.
    #[error(transparent)]
    Bucket(#[from] BucketError),
    /// The shard's log did not take the step.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// Work off the runtime gave no result.
    #[error(transparent)]
    Offload(#[from] OffloadError),
    /// The local disk.
    #[error("{path}: {message}")]
    Disk {
        /// The file.
        path: String,
        /// What the system said.
        message: String,
    },
    /// The shard's checkpoint is of another release.
    #[error("the checkpoint of shard {shard} cannot be read: it was written by a newer release, upgrade")]
    Checkpoint {
        /// The shard.
        shard: u32,
    },
    /// A local block is not what was written, or the bucket did not take it. What is damaged is in the journal, too.
    #[error(transparent)]
    Store(#[from] BlockStoreError),
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
        Self::Disk { path: path.display().to_string(), message: error.to_string() }
    }
}

impl Kinded for FlushError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Block(error) => error.kind(),
            Self::Catalog(error) => error.kind(),
            Self::Bucket(error) => error.kind(),
            Self::Cluster(error) => error.kind(),
            Self::Offload(error) => error.kind(),
            Self::Disk { .. } | Self::Checkpoint { .. } => ErrorKind::Internal,
            Self::Store(error) => error.kind(),
            Self::NoBlockId { .. } => ErrorKind::Conflict,
            Self::NotInBucket { .. } | Self::Stopping => ErrorKind::Unavailable,
        }
    }
}
