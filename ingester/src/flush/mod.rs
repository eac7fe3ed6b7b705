//! From closed generations to blocks in the bucket.

mod local;

pub use local::{LocalBlock, LocalGeneration};
