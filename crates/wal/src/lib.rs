//! The journal of a node: segments of opaque records for many groups, one fsync.
//!
//! Layout: `docs/format/journal.md`. This crate knows nothing of consensus: to it a record is a group, an
//! index and bytes.

mod config;
mod error;
mod journal;

pub use config::WalConfig;
pub use error::WalError;
pub use journal::{Journal, Recovered};

/// Names a log that shares the journal with others.
pub type GroupId = u64;
