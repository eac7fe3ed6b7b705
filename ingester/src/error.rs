//! Why a write was not taken.

use latewood_base::{ErrorKind, Kinded, OffloadError};
use latewood_model::TenantId;
use latewood_proto::remote_write::DecodeError;
use latewood_service::TenantRejection;

/// Why a write, or a shard's part of it, was not taken as a whole. What is refused of an otherwise good
/// request is in [`crate::Refusals`] instead.
#[derive(Clone, Debug, thiserror::Error)]
pub enum IngestError {
    /// The body is no remote-write request.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// The tenant headers are wrong.
    #[error(transparent)]
    Tenant(#[from] TenantRejection),
    /// A content type or encoding that is not spoken here.
    #[error("{0}")]
    Unsupported(String),
    /// The compressed body is larger than allowed.
    #[error("the body has more than {limit} bytes (max_body_bytes): send smaller requests")]
    BodyTooLarge {
        /// How many bytes are allowed.
        limit: usize,
    },
    /// The sender stopped sending.
    #[error("the body did not arrive in full")]
    BodyLost,
    /// The sender sends too slowly.
    #[error("the body did not arrive within {seconds} s (body_timeout_seconds): retry")]
    BodySlow {
        /// How long it may take.
        seconds: u64,
    },
    /// All requests under way hold as much memory as they may.
    #[error("too many writes at once (max_inflight_bytes): retry")]
    Overloaded,
    /// A tenant sends more than it may: nothing of the request was taken.
    #[error("{message}")]
    RateLimited {
        /// How many samples and histograms it has.
        samples: u64,
        /// When it may be sent again; nothing when no time helps.
        retry_after_seconds: Option<u64>,
        /// Which limit of whom, and what to do.
        message: String,
    },
    /// The process is stopping.
    #[error("the ingester is stopping: retry")]
    Stopping,
    /// Background work failed.
    #[error(transparent)]
    Offload(#[from] OffloadError),
    /// A shard did not take its part; the kind says whether a retry helps.
    #[error("shard {shard}: {message}")]
    Shard {
        /// Which shard.
        shard: u32,
        /// What the caller should do.
        kind: ErrorKind,
        /// What happened.
        message: String,
    },
    /// The shard is led by another node, or by none for now.
    #[error("shard {shard}: this node does not lead it (the leader is {leader:?}): retry")]
    NotLeader {
        /// Which shard.
        shard: u32,
        /// The node that leads it, when it is known.
        leader: Option<u64>,
    },
    /// Several shards did not take their parts.
    #[error("{message}")]
    Shards {
        /// What the caller should do: retry when a retry helps any of them.
        kind: ErrorKind,
        /// What happened, shard by shard.
        message: String,
    },
    /// Nothing is taken for a tenant that goes.
    #[error("tenant {0} is being deleted, and takes no samples")]
    TenantDeleted(TenantId),
    /// A setting that cannot be.
    #[error("{0}")]
    Config(String),
}

impl IngestError {
    /// An error of a shard, from whatever went wrong in it.
    #[must_use]
    pub fn shard(shard: u32, error: &impl Kinded) -> Self {
        Self::Shard { shard, kind: error.kind(), message: error.to_string() }
    }
}

impl Kinded for IngestError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Decode(error) => error.kind(),
            Self::Tenant(error) => error.kind(),
            Self::BodyLost | Self::Config(_) => ErrorKind::Invalid,
            Self::BodySlow { .. } => ErrorKind::Timeout,
            Self::TenantDeleted(_) => ErrorKind::Unprocessable,
            Self::Unsupported(_) => ErrorKind::Unsupported,
            Self::BodyTooLarge { .. } => ErrorKind::TooLarge,
            Self::Overloaded | Self::RateLimited { .. } => ErrorKind::Overloaded,
            Self::Stopping | Self::NotLeader { .. } => ErrorKind::Unavailable,
            Self::Offload(error) => error.kind(),
            Self::Shard { kind, .. } | Self::Shards { kind, .. } => *kind,
        }
    }
}
