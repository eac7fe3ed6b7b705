//! Reading a block from a bucket.

mod block;
mod spec;
mod statistics;

pub use block::Block;
pub use spec::SelectSpec;
pub use statistics::{BlockStatistics, Count};
