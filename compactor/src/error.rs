//! Why a compaction did not take place. Nothing is lost: its inputs are live until its commit.

use latewood_base::{ErrorKind, Kinded, OffloadError, Ulid};
use latewood_block::BlockError;
use latewood_blockstore::BlockStoreError;
use latewood_catalog::CatalogError;
use latewood_proto::store::StoreError;

/// Why a compaction did not take place.
#[derive(Debug, thiserror::Error)]
pub enum CompactError {
    /// A block that it was to be made of cannot be read.
    #[error("block {block}: {source}")]
    Input {
        /// The block.
        block: Ulid,
        /// Why.
        source: BlockError,
    },
    /// The inputs' series cannot be merged.
    #[error(transparent)]
    Merge(#[from] StoreError),
    /// An output could not be written.
    #[error("writing a block: {0}")]
    Output(#[from] BlockError),
    /// An output could not be published, or a deletion not applied; or the local disk failed, or work off the runtime.
    #[error(transparent)]
    Store(#[from] BlockStoreError),
    /// The catalog did not take the commit, for another reason than that others were faster.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// Another compactor took the lease over, because it was not renewed in time.
    #[error("the lease on the job was lost to another compactor")]
    LeaseLost,
}

impl CompactError {
    /// The input that is to be left alone from now on, if the bucket has it damaged or not at all.
    pub(crate) fn bad_block(&self) -> Option<Ulid> {
        match self {
            Self::Input { block, source }
                if matches!(source.kind(), ErrorKind::Corrupt | ErrorKind::NotFound) =>
            {
                Some(*block)
            }
            _ => None,
        }
    }
}

impl CompactError {
    /// Whether it would fail again in the same way: what it was to be made of is of a shape that is more than it may take.
    pub(crate) fn is_of_shape(&self) -> bool {
        matches!(self, Self::Merge(error) if error.kind() == ErrorKind::Unprocessable)
    }
}

impl From<OffloadError> for CompactError {
    fn from(error: OffloadError) -> Self {
        Self::Store(error.into())
    }
}

impl Kinded for CompactError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Input { source, .. } => source.kind(),
            Self::Merge(error) => error.kind(),
            Self::Output(error) => error.kind(),
            Self::Store(error) => error.kind(),
            Self::Catalog(error) => error.kind(),
            Self::LeaseLost => ErrorKind::Conflict,
        }
    }
}
