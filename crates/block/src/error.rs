//! Errors of blocks.

use latewood_base::{ErrorKind, Kinded, OffloadError};
use latewood_objstore::BucketError;
use parquet::errors::ParquetError;

/// Why a block was not written or not read.
#[derive(Clone, Debug, thiserror::Error)]
pub enum BlockError {
    /// What was handed to the writer is not in storage order, or not a series.
    #[error("cannot write the series {labels}: {problem}")]
    Order {
        /// The offending series.
        labels: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A limit of the format or of the configuration.
    #[error("{what}: at most {limit} are allowed in a block")]
    TooLarge {
        /// What there are too many of.
        what: &'static str,
        /// The limit.
        limit: u64,
    },
    /// A setting that makes no sense.
    #[error("invalid block configuration: {0}")]
    Config(String),
    /// The local disk refused.
    #[error("{path}: {message}")]
    Disk {
        /// The file.
        path: String,
        /// The system's text.
        message: String,
    },
    /// Stored bytes are not what a writer of blocks writes.
    #[error("block file {file:?} is corrupt: {problem}")]
    Corrupt {
        /// The file, relative to the block's folder or in full.
        file: String,
        /// What was found.
        problem: String,
    },
    /// A file that `meta.json` names is not there. It may come back, as when a mount or a bucket's copy is away:
    /// what is damaged is found by `verify`.
    #[error("block file {file:?} is missing")]
    Missing {
        /// The file, relative to the block's folder or in full.
        file: String,
    },
    /// A block of a version that this build does not know.
    #[error("block file {file:?} has format version {version}; this build reads up to {newest}: upgrade")]
    Version {
        /// The file.
        file: String,
        /// The version found.
        version: u32,
        /// The newest version known here.
        newest: u32,
    },
    /// A block of samples was asked for windows, or the other way round.
    #[error("block {id} has resolution {resolution}: it has no {wanted}")]
    Resolution {
        /// Which block.
        id: latewood_base::Ulid,
        /// What it has.
        resolution: latewood_model::Resolution,
        /// What it was asked for.
        wanted: &'static str,
    },
    /// The encoder refused: a defect.
    #[error("encoding {file:?} failed: {message}")]
    Encode {
        /// The file.
        file: String,
        /// The encoder's text.
        message: String,
    },
    /// The bucket.
    #[error(transparent)]
    Bucket(#[from] BucketError),
    /// Work off the runtime gave no result.
    #[error(transparent)]
    Offload(#[from] OffloadError),
}

impl BlockError {
    pub(crate) fn corrupt(file: &str, problem: impl std::fmt::Display) -> Self {
        Self::Corrupt { file: file.to_owned(), problem: problem.to_string() }
    }

    pub(crate) fn disk(path: &std::path::Path, error: &std::io::Error) -> Self {
        Self::Disk { path: path.display().to_string(), message: error.to_string() }
    }

    pub(crate) fn encode(file: &str, error: &ParquetError) -> Self {
        Self::Encode { file: file.to_owned(), message: error.to_string() }
    }
}

impl Kinded for BlockError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Order { .. }
            | Self::Disk { .. }
            | Self::Encode { .. }
            | Self::Resolution { .. }
            | Self::Config(_) => ErrorKind::Internal,
            Self::TooLarge { .. } => ErrorKind::TooLarge,
            Self::Corrupt { .. } => ErrorKind::Corrupt,
            Self::Missing { .. } => ErrorKind::Unavailable,
            Self::Version { .. } => ErrorKind::Unsupported,
            Self::Bucket(error) => error.kind(),
            Self::Offload(error) => error.kind(),
        }
    }
}
