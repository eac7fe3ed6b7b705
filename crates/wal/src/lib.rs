//! The journal of a node: segments of opaque records for many groups, one fsync.
//!
//! Layout: `docs/format/journal.md`. This crate knows nothing of consensus: to it a record is a group, an
//! index and bytes.
//!
//! An append is durable when it is acknowledged. A tail that was torn by a crash is cut off at the next
//! start; damage to anything that had been durable is refused, never skipped. All disk access goes
//! through [`Files`], so that tests and simulations can stand in for the disk.

mod config;
mod error;
mod files;
mod format;
mod garbage;
mod holes;
mod index;
mod journal;
mod metrics;
mod queue;
mod read;
mod record;
mod recover;
mod roll;
mod runs;
mod scan;
mod std_files;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod writer;

pub use config::WalConfig;
pub use error::WalError;
pub use files::{Files, SegmentFile};
pub use index::Bounds;
pub use journal::Journal;
pub use record::Record;
pub use recover::Recovered;
pub use std_files::StdFiles;

/// Names a log that shares the journal with others.
pub type GroupId = u64;
