//! Buckets from a URL: the one crate that knows `object_store`.
//!
//! Everything above speaks [`ObjectClient`]; retry, limits, metrics and faults are decorators of it,
//! each in a file of its own.

mod client;
mod error;
mod memory;

pub use client::{Bucket, ObjectClient, ObjectInfo};
pub use error::BucketError;
pub use memory::MemoryBucket;
