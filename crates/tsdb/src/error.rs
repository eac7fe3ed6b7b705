//! Errors of reading a block.

use std::path::{Path, PathBuf};

use latewood_base::{ErrorKind, Kinded};

/// Why a block, or a part of it, was not read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TsdbError {
    /// A file that belongs to every block is not there.
    #[error("{}: the file is missing", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// The disk refused.
    #[error("{}: {message}", path.display())]
    Disk {
        /// The file or folder.
        path: PathBuf,
        /// The system's text.
        message: String,
    },
    /// The bytes are not what a writer of blocks writes.
    #[error("{} is damaged at byte {offset}: {problem}", path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// Where, in bytes from the start of the file.
        offset: u64,
        /// What was found.
        problem: String,
    },
    /// A format, or an encoding of chunks, that is not known here.
    #[error("{} has at byte {offset} {what} {found}, which is not known here", path.display())]
    Unknown {
        /// The file.
        path: PathBuf,
        /// Where, in bytes from the start of the file.
        offset: u64,
        /// What is unknown: `index format`, `chunk encoding`.
        what: &'static str,
        /// Its number.
        found: u64,
    },
    /// More than is read of one thing; see the limits of this crate.
    #[error("{} has at byte {offset} {what}; at most {limit} are read", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Where, in bytes from the start of the file.
        offset: u64,
        /// What there is too much of.
        what: String,
        /// The limit.
        limit: u64,
    },
    /// Thanos made it of a block with all samples: it has five aggregates in place of each series' samples.
    #[error(
        "{} says that the block was downsampled to {resolution_ms} ms: it has aggregates, and no samples to be read",
        path.display()
    )]
    Downsampled {
        /// Its `meta.json`.
        path: PathBuf,
        /// Milliseconds.
        resolution_ms: i64,
    },
}

impl TsdbError {
    pub(crate) fn disk(path: &Path, error: &std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::NotFound => Self::Missing { path: path.to_owned() },
            _ => Self::Disk { path: path.to_owned(), message: error.to_string() },
        }
    }
}

impl Kinded for TsdbError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Missing { .. } => ErrorKind::NotFound,
            Self::Disk { .. } => ErrorKind::Unavailable,
            Self::Corrupt { .. } => ErrorKind::Corrupt,
            Self::Unknown { .. } | Self::Downsampled { .. } => ErrorKind::Unsupported,
            Self::TooLarge { .. } => ErrorKind::TooLarge,
        }
    }
}
