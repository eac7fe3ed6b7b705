//! Errors of buckets.

use latewood_base::{ErrorKind, Kinded};

/// Why a bucket did not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BucketError {
    /// No object of that key.
    #[error("object {key:?} not found")]
    NotFound {
        /// The key.
        key: String,
    },
    /// The key is taken.
    #[error("object {key:?} exists already")]
    AlreadyExists {
        /// The key.
        key: String,
    },
    /// The object is larger than the reader allows.
    #[error("object {key:?} has {size} bytes; at most {max} are read")]
    TooLarge {
        /// The key.
        key: String,
        /// Its size.
        size: u64,
        /// The reader's limit.
        max: u64,
    },
    /// A range beyond the object's end, or a key that no bucket takes.
    #[error("object {key:?}: {message}")]
    Invalid {
        /// The key.
        key: String,
        /// What is wrong.
        message: String,
    },
    /// The bucket refuses our credentials.
    #[error("the bucket denies access to {key:?}: {message}")]
    Denied {
        /// The key.
        key: String,
        /// The bucket's text.
        message: String,
    },
    /// The bucket did not answer, or answered that it cannot now. The outcome of a write is unknown.
    #[error("bucket unavailable for {key:?}: {message}")]
    Unavailable {
        /// The key.
        key: String,
        /// The cause.
        message: String,
    },
}

impl Kinded for BucketError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::NotFound { .. } => ErrorKind::NotFound,
            Self::AlreadyExists { .. } => ErrorKind::Conflict,
            Self::TooLarge { .. } => ErrorKind::TooLarge,
            Self::Invalid { .. } => ErrorKind::Invalid,
            Self::Denied { .. } => ErrorKind::Internal,
            Self::Unavailable { .. } => ErrorKind::Unavailable,
        }
    }
}
