//! What queriers read from an ingester: the heads and the unflushed local blocks of its shards, merged.
//!
//! A request pins a catalog version; its `flushed[shard]` says which generations are in blocks of that
//! version, and everything later is answered from here: so each sample is seen exactly once (CAT-1).
//! Frames are made as they are asked for; dropping the stream drops the work.

mod labels;
mod reads;
mod scope;
mod select;
mod statistics;
mod store;

pub use store::{IngesterStore, ShardReader, StoreParts};
