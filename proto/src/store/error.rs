//! Errors of the Store API.

use latewood_base::{ErrorKind, Kinded};

use super::ring::listed_shards;

/// Why a store did not answer.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// A generation that the view needs from memory was dropped after its flush: pin this catalog
    /// version or a later one and ask again.
    #[error("stale view: pin catalog version {min_version} or later")]
    StaleView {
        /// The first version that holds the dropped generation's blocks.
        min_version: u64,
    },
    /// Not all of the shards that were asked for are led by this store: ask for its ring, and whoever leads them.
    #[error("shards {} are not led by this ingester: ask whoever leads them", listed_shards(.shards))]
    NotLeader {
        /// Those that it does not lead.
        shards: Vec<u32>,
    },
    /// Anything else, by what to do about it.
    #[error("{message}")]
    Other {
        /// What the caller should do.
        kind: ErrorKind,
        /// What happened.
        message: String,
    },
}

impl StoreError {
    /// An error of any kind with its text.
    #[must_use]
    #[allow(clippy::needless_pass_by_value, reason = "takes texts and errors alike")]
    pub fn new(kind: ErrorKind, message: impl ToString) -> Self {
        Self::Other { kind, message: message.to_string() }
    }

    /// Takes over another error's kind and text.
    #[must_use]
    pub fn from_kinded(error: &impl Kinded) -> Self {
        Self::new(error.kind(), error)
    }
}

impl Kinded for StoreError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::StaleView { .. } => ErrorKind::Conflict,
            Self::NotLeader { .. } => ErrorKind::Unavailable,
            Self::Other { kind, .. } => *kind,
        }
    }
}
