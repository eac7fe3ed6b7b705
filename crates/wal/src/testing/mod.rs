//! For tests: a disk in memory that forgets what was not synced, and fails when told to.

mod memory_files;

pub use memory_files::{Loss, MemoryFiles};
