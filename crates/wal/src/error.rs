//! Why the journal did not do what was asked.

use std::io;
use std::path::PathBuf;

use latewood_base::{ErrorKind, Kinded};

/// The journal's error. Cloneable, because one failed write is told to all appends that shared it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WalError {
    /// A setting is out of range.
    #[error("journal setting {field}: {problem}")]
    Config {
        /// The setting's name.
        field: &'static str,
        /// What is allowed.
        problem: &'static str,
    },
    /// Another process has the journal open.
    #[error("the journal in {dir} is in use by another process: stop it, or use another directory")]
    InUse {
        /// The journal's directory.
        dir: PathBuf,
    },
    /// A file operation failed. Nothing of this append is in the journal; a later one may succeed.
    #[error("journal: cannot {action} {path}: {problem}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Its kind.
        io_kind: io::ErrorKind,
        /// What the system said.
        problem: String,
    },
    /// An fsync failed once, so that nobody knows what is on disk: the journal takes nothing any more.
    #[error(
        "the journal is closed for appends, because what is on disk is not known any more ({reason}): check the disk, then start again"
    )]
    Poisoned {
        /// The failure that closed it.
        reason: String,
    },
    /// An earlier append of the same group failed, so that this one would leave a hole.
    #[error("group {group}: entry {index} would follow a failed append of entry {missing}")]
    AfterFailure {
        /// The group.
        group: u64,
        /// The entry that was refused.
        index: u64,
        /// The entry that is missing.
        missing: u64,
    },
    /// Stored bytes are not what was written, and later records show that they had been durable.
    #[error(
        "the journal is damaged: {path} at byte {offset}: {problem}: restore it from a replica or a copy, or move it away to start without it"
    )]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// Where in the file.
        offset: u64,
        /// What is wrong.
        problem: String,
    },
    /// The journal was written by a newer version.
    #[error("{path} has journal format {found}, this version reads up to {known}: use a newer version")]
    Version {
        /// The file.
        path: PathBuf,
        /// The file's version.
        found: u32,
        /// The newest version known here.
        known: u32,
    },
    /// An append is larger than a named limit.
    #[error("an append of {bytes} bytes is more than the {limit} of `{setting}`")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The limit.
        limit: usize,
        /// The limit's name.
        setting: &'static str,
    },
    /// The journal was closed.
    #[error("the journal is closed")]
    Closed,
}

impl WalError {
    /// A failed file operation.
    pub(crate) fn io(action: &'static str, path: impl Into<PathBuf>, error: &io::Error) -> Self {
        Self::Io { action, path: path.into(), io_kind: error.kind(), problem: error.to_string() }
    }

    /// Whether the disk was full.
    #[must_use]
    pub fn is_disk_full(&self) -> bool {
        matches!(self, Self::Io { io_kind: io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded, .. })
    }
}

impl Kinded for WalError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Config { .. } => ErrorKind::Invalid,
            Self::TooLarge { .. } => ErrorKind::TooLarge,
            Self::Corrupt { .. } | Self::Version { .. } => ErrorKind::Corrupt,
            Self::InUse { .. } => ErrorKind::Conflict,
            Self::Io { .. } if self.is_disk_full() => ErrorKind::Overloaded,
            Self::Io { .. } | Self::Poisoned { .. } => ErrorKind::Internal,
            Self::AfterFailure { .. } | Self::Closed => ErrorKind::Unavailable,
        }
    }
}
