//! Errors of the store-gateway.

use latewood_base::{ErrorKind, Kinded, Ulid};
use latewood_block::BlockError;
use latewood_blockstore::BlockStoreError;
use latewood_catalog::CatalogError;
use latewood_model::TenantError;
use latewood_proto::store::StoreError;

/// Why the store-gateway did not answer.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// The request has no scope or view.
    #[error("the request lacks its {0}")]
    Lacks(&'static str),
    /// The request's tenant is none.
    #[error("{0}")]
    Tenant(#[from] TenantError),
    /// The request names a block by something that is no ULID.
    #[error("{0:?} is no block id")]
    BlockId(String),
    /// The request asks for figures of windows that are not known here.
    #[error("columns {0:#x} of windows are not all known here")]
    Columns(u32),
    /// Windows are asked of a block that has samples.
    #[error("block {block} has samples and no windows: select is for it")]
    NoWindows {
        /// The block.
        block: Ulid,
    },
    /// Windows are asked of blocks that have different ones.
    #[error("blocks {} and {} have windows of different lengths: ask for one resolution at a time", .blocks[0], .blocks[1])]
    Resolutions {
        /// Two of them.
        blocks: [Ulid; 2],
    },
    /// The view is older than the catalog, which has replaced a block since.
    #[error("stale view: block {block} was replaced by catalog version {version}")]
    Replaced {
        /// The block.
        block: Ulid,
        /// The newest version known here.
        version: u64,
    },
    /// No version of the catalog names the block.
    #[error("block {block} of tenant {tenant} is not in the catalog (version {version})")]
    Unknown {
        /// The block.
        block: Ulid,
        /// Whose.
        tenant: String,
        /// The newest version known here.
        version: u64,
    },
    /// The catalog names the block and the bucket does not have it (now): whether for good, as after somebody's
    /// deletion, or because a mount or a copy of the bucket is behind, does not show from here.
    #[error("block {block} is in the catalog and not in the bucket: {object} is missing")]
    Missing {
        /// The block.
        block: Ulid,
        /// What is missing.
        object: String,
    },
    /// A block cannot be read.
    #[error("block {block}: {source}")]
    Block {
        /// The block.
        block: Ulid,
        /// Why.
        source: BlockError,
    },
    /// The catalog cannot be read.
    #[error("{0}")]
    Catalog(#[from] CatalogError),
    /// A deletion of the catalog cannot be applied.
    #[error(transparent)]
    Store(#[from] BlockStoreError),
    /// The request's blocks are more than one request may hold.
    #[error(
        "the query would hold about {needed} bytes for {blocks} blocks; at most {max} are allowed \
         (store_gateway.max_estimated_memory_consumption_per_request): query a shorter time"
    )]
    TooMuchMemory {
        /// The estimate, in bytes.
        needed: u64,
        /// How many blocks.
        blocks: usize,
        /// The limit, in bytes.
        max: u64,
    },
    /// Other requests hold all memory that there is for requests.
    #[error(
        "other queries hold the memory of the store-gateway \
         (store_gateway.max_estimated_memory_consumption); waited {waited_seconds} s, try again later"
    )]
    NoMemory {
        /// How long it waited.
        waited_seconds: u64,
    },
    /// The folder of the cache cannot be used.
    #[error("the cache in {folder} cannot be opened: {message}")]
    Cache {
        /// The folder.
        folder: String,
        /// Why.
        message: String,
    },
    /// The process is stopping.
    #[error("the store-gateway is stopping")]
    Stopping,
}

impl Kinded for GatewayError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Lacks(_)
            | Self::Tenant(_)
            | Self::BlockId(_)
            | Self::Columns(_)
            | Self::NoWindows { .. }
            | Self::Resolutions { .. } => ErrorKind::Invalid,
            Self::Replaced { .. } => ErrorKind::Conflict,
            Self::Unknown { .. } => ErrorKind::NotFound,
            Self::Missing { .. } | Self::Cache { .. } | Self::Stopping => ErrorKind::Unavailable,
            Self::Store(error) => error.kind(),
            Self::Block { source, .. } => match source.kind() {
                ErrorKind::NotFound => ErrorKind::Unavailable,
                kind => kind,
            },
            Self::Catalog(error) => error.kind(),
            Self::TooMuchMemory { .. } => ErrorKind::Unprocessable,
            Self::NoMemory { .. } => ErrorKind::Overloaded,
        }
    }
}

impl From<GatewayError> for StoreError {
    fn from(error: GatewayError) -> Self {
        match error {
            GatewayError::Replaced { version, .. } => Self::StaleView { min_version: version },
            error => Self::from_kinded(&error),
        }
    }
}
