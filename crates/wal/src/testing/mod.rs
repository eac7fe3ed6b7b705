//! For tests: a disk in memory that forgets what was not synced, and fails when told to.

mod forgetful;
mod memory_files;
mod steps;

pub use forgetful::Forgetful;
pub use memory_files::{Loss, MemoryFiles};
pub use steps::Steps;
