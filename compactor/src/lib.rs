//! Tends the blocks in the bucket. For now it collects garbage: objects of blocks that no commit names and
//! of blocks that a commit removed, and the old part of each catalog's log. Any number of compactors may run; what one did the others find done.

mod config;
mod metrics;
mod runner;

pub use config::CompactorConfig;
pub use runner::Compactor;
