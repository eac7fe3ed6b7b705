//! Buckets from a URL: the one crate that knows `object_store`.
//!
//! Everything above speaks [`ObjectClient`]; retry, limits, metrics and faults are decorators of it,
//! each in a file of its own.

mod client;
mod config;
mod error;
mod key;
mod memory;
mod open;
mod probe;

pub use client::{Bucket, ObjectClient, ObjectInfo};
pub use config::{BucketConfig, BucketConfigError};
pub use error::BucketError;
pub use key::{MAX_KEY_BYTES, MAX_PART_BYTES};
pub use memory::MemoryBucket;
pub use open::open_bucket;
pub use probe::{ProbeError, probe};
