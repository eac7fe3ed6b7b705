//! Why an ingester does not start.

use latewood_base::{ErrorKind, Kinded, OffloadError};
use latewood_catalog::CatalogError;
use latewood_cluster::ClusterError;
use latewood_wal::WalError;

use crate::IngestError;
use crate::flush::{FlushError, ForeignNumber};

/// Why an ingester does not start.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StartError {
    /// A setting cannot be.
    #[error("ingester settings: {0}")]
    Config(String),
    /// The data directory cannot be used.
    #[error("{path}: {message}")]
    DataDir {
        /// The file or directory.
        path: String,
        /// What is wrong, and what to do.
        message: String,
    },
    /// The journal cannot be opened.
    #[error(transparent)]
    Journal(#[from] WalError),
    /// The shards of a new journal got no numbers: the bucket is needed for that, once.
    #[error("a new journal needs shard numbers from the bucket: {0}")]
    Claim(#[from] CatalogError),
    /// The data directory is another bucket's.
    #[error("{path}: {error}")]
    Foreign {
        /// The data directory.
        path: String,
        /// Which of its numbers is not its own.
        error: ForeignNumber,
    },
    /// What the bucket says of the cluster cannot be read.
    #[error("the founding of the cluster cannot be read: {0}")]
    Founding(CatalogError),
    /// There is no cluster to be a node of.
    #[error(
        "no cluster was founded or found within {waited_seconds} s (ring.found_timeout_seconds): {reason}"
    )]
    NoCluster {
        /// How long was waited, in seconds.
        waited_seconds: u64,
        /// What was missing last.
        reason: String,
    },
    /// What the nodes of the cluster agree on cannot be read, or followed.
    #[error("the cluster's control group: {0}")]
    Control(ClusterError),
    /// A shard cannot be opened.
    #[error("shard {shard}: {error}")]
    Shard {
        /// Which.
        shard: u32,
        /// Why.
        error: FlushError,
    },
    /// The write path cannot be built.
    #[error(transparent)]
    Ingest(#[from] IngestError),
    /// Work off the runtime gave no result.
    #[error(transparent)]
    Offload(#[from] OffloadError),
}

impl Kinded for StartError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Config(_) => ErrorKind::Invalid,
            Self::DataDir { .. } | Self::Foreign { .. } => ErrorKind::Internal,
            Self::NoCluster { .. } => ErrorKind::Unavailable,
            Self::Offload(error) => error.kind(),
            Self::Journal(error) => error.kind(),
            Self::Claim(error) | Self::Founding(error) => error.kind(),
            Self::Control(error) => error.kind(),
            Self::Shard { error, .. } => error.kind(),
            Self::Ingest(error) => error.kind(),
        }
    }
}
