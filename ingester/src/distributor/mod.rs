//! Which shard takes which series of a write, and the writing to all of them at once.
//!
//! Routing is a pure function ([`ShardMap`]) of the tenant and of the hash without replica labels.

mod fan_out;
mod routing;
mod shard_writer;

pub use fan_out::{Distributed, Distributor};
pub use routing::{ShardMap, TenantShards};
pub use shard_writer::{RefusedRow, ShardPart, ShardWriter, WriteOutcome};
