//! Buckets from a URL: the one crate that knows `object_store`.
//!
//! Everything above speaks [`ObjectClient`]; retry, limits, metrics and faults are decorators of it,
//! each in a file of its own. What a bucket must do is tested by `conformance`, which every one runs.

mod backoff;
mod client;
mod coalesce;
mod config;
#[cfg(any(test, feature = "testing"))]
#[allow(
    clippy::missing_panics_doc,
    clippy::cast_possible_truncation,
    reason = "a test suite fails by panicking"
)]
pub mod conformance;
mod directory;
mod error;
mod key;
mod layer;
mod limit;
mod memory;
mod metered;
mod open;
mod probe;
mod proven;
mod remote;
mod retry;
mod retry_listing;
mod usage;

pub use client::{Bucket, ObjectClient, ObjectInfo};
pub use config::{BucketConfig, BucketConfigError};
pub use directory::DirectoryBucket;
pub use error::BucketError;
pub use key::{MAX_KEY_BYTES, MAX_PART_BYTES};
pub use layer::BucketLayer;
pub use memory::MemoryBucket;
pub use open::{open_bucket, with_decorators};
pub use probe::{ProbeError, probe, reach};
pub use proven::Proven;
pub use usage::Usage;
