//! Remote write in, journal, head, flush: the way of a sample from the wire to a block.

mod config;
pub mod deletion;
pub mod distributor;
mod error;
pub mod exemplars;
pub mod flush;
pub mod head;
pub mod journal;
pub mod limits;
pub mod metadata;
pub mod push;
mod refusal;
mod retention;
pub mod ring;
mod service;
mod shard;
mod shards;
pub mod store_api;
#[cfg(feature = "testing")]
pub mod testing;
mod write;

pub use config::PushConfig;
pub use error::IngestError;
pub use refusal::{Cause, Refusals};
pub use retention::RawRetention;
pub use service::{Ingester, IngesterConfig, IngesterDeps, StartError};
pub use shard::Shard;
pub use shards::Shards;
pub use write::{BatchBuilder, SeriesRow, WriteBatch};
