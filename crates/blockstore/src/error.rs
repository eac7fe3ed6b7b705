//! Why a block was not published or not read.

use latewood_base::{ErrorKind, Kinded, OffloadError, Ulid};
use latewood_block::BlockError;
use latewood_objstore::BucketError;

/// Why a block was not published or not read.
#[derive(Clone, Debug, thiserror::Error)]
pub enum BlockStoreError {
    /// `meta.json` could not be written.
    #[error(transparent)]
    Block(#[from] BlockError),
    /// The bucket did not take a file.
    #[error(transparent)]
    Bucket(#[from] BucketError),
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
    /// A local file is not what was written.
    #[error("{path} is damaged: {problem}")]
    Damaged {
        /// The file.
        path: String,
        /// What is wrong.
        problem: String,
    },
    /// A deletion that cannot be evaluated.
    #[error("tombstone {tombstone} cannot be applied: {message}")]
    Tombstone {
        /// The deletion.
        tombstone: Ulid,
        /// What is wrong with it.
        message: String,
    },
}

impl Kinded for BlockStoreError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Block(error) => error.kind(),
            Self::Bucket(error) => error.kind(),
            Self::Offload(error) => error.kind(),
            Self::Disk { .. } => ErrorKind::Internal,
            Self::Damaged { .. } | Self::Tombstone { .. } => ErrorKind::Corrupt,
        }
    }
}
