//! Errors of the catalog.

use latewood_base::{ErrorKind, Kinded, Ulid};
use latewood_objstore::BucketError;

/// Why a change does not fit a view. Nothing of it was done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Conflict {
    /// Another leader has flushed this generation, or a later one.
    #[error("shard {shard} was flushed elsewhere: generation {expected} was expected, {found} is there")]
    FlushedElsewhere {
        /// The shard.
        shard: u32,
        /// The generation that the change builds on.
        expected: u64,
        /// The one that the view has.
        found: u64,
    },
    /// A block to be removed or bound is not live: somebody else replaced it.
    #[error("block {0} is not live")]
    BlockNotLive(Ulid),
    /// A block to be added has been declared garbage: write it again under a new id.
    #[error("block {0} is dead and may not come back")]
    BlockDead(Ulid),
    /// A block to be added is live already.
    #[error("block {0} was added already")]
    AlreadyAdded(Ulid),
    /// A block to be declared garbage is live.
    #[error("block {0} is live and no garbage")]
    BlockLive(Ulid),
    /// A block to be replaced has a tombstone that its successor lacks: apply it and try again.
    #[error("block {block} is bound by tombstone {tombstone}, which its replacement has not had applied")]
    TombstoneNotApplied {
        /// The block.
        block: Ulid,
        /// The tombstone.
        tombstone: Ulid,
    },
    /// The tenant is being deleted, and takes no more blocks.
    #[error("the tenant is being deleted")]
    TenantDeleted,
    /// The commit is not the next one of this log.
    #[error("commit {found} does not follow: {expected} is next")]
    OutOfOrder {
        /// The sequence that is next.
        expected: u64,
        /// The one that came.
        found: u64,
    },
    /// The change makes no sense by itself.
    #[error("invalid change: {0}")]
    Invalid(String),
}

/// Why the catalog did not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CatalogError {
    /// The change does not fit the newest view.
    #[error("tenant {tenant}: {conflict}")]
    Conflict {
        /// Whose log.
        tenant: String,
        /// What does not fit.
        #[source]
        conflict: Conflict,
    },
    /// The bucket failed.
    #[error("catalog: {0}")]
    Bucket(#[from] BucketError),
    /// Whether the commit took place could not be found out: refresh, look, then decide.
    #[error("commit {id} may or may not have become {key:?}: {message}")]
    OutcomeUnknown {
        /// Where it was to be.
        key: String,
        /// The commit.
        id: Ulid,
        /// What kept us from looking.
        message: String,
    },
    /// Others were faster, again and again.
    #[error("tenant {tenant}: lost {attempts} races for the next commit; try again later")]
    TooManyRaces {
        /// Whose log.
        tenant: String,
        /// How many.
        attempts: u32,
    },
    /// An object of the catalog is not what was written.
    #[error("catalog object {key:?} is damaged: {message}")]
    Corrupt {
        /// The object.
        key: String,
        /// What is wrong.
        message: String,
    },
    /// An object is in a version of the format that is not known here.
    #[error(
        "catalog object {key:?} has format version {found}; this release reads up to {newest}: upgrade it"
    )]
    UnknownFormat {
        /// The object.
        key: String,
        /// Its version.
        found: u32,
        /// The newest that is read here.
        newest: u32,
    },
    /// The change would make an object that is too large: split it.
    #[error("tenant {tenant}: the commit has {size} bytes; at most {max} are allowed: split it")]
    TooLarge {
        /// Whose log.
        tenant: String,
        /// Its size.
        size: u64,
        /// The limit.
        max: u64,
    },
    /// The log does not reach the version that was asked for.
    #[error("tenant {tenant}: version {wanted} of the catalog was asked for, its log ends at {found}")]
    Behind {
        /// Whose log.
        tenant: String,
        /// What was asked for.
        wanted: u64,
        /// Where the log ends.
        found: u64,
    },
    /// A catalog to be rebuilt is not empty.
    #[error(
        "tenant {tenant}: the catalog has {found} commits; move {tenant}/catalog away before rebuilding it"
    )]
    NotEmpty {
        /// Whose log.
        tenant: String,
        /// Its version.
        found: u64,
    },
    /// The process is stopping, or work off the runtime panicked.
    #[error("catalog work was cut short: {0}")]
    Cut(#[from] latewood_base::OffloadError),
}

impl CatalogError {
    /// The conflict, if it is one.
    #[must_use]
    pub fn conflict(&self) -> Option<&Conflict> {
        match self {
            Self::Conflict { conflict, .. } => Some(conflict),
            _ => None,
        }
    }
}

impl Kinded for CatalogError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Conflict { conflict: Conflict::Invalid(_), .. } => ErrorKind::Invalid,
            Self::Conflict { .. } | Self::NotEmpty { .. } => ErrorKind::Conflict,
            Self::Bucket(error) => error.kind(),
            Self::OutcomeUnknown { .. } | Self::TooManyRaces { .. } | Self::Behind { .. } => {
                ErrorKind::Unavailable
            }
            Self::Corrupt { .. } => ErrorKind::Corrupt,
            Self::UnknownFormat { .. } | Self::Cut(_) => ErrorKind::Internal,
            Self::TooLarge { .. } => ErrorKind::TooLarge,
        }
    }
}
