//! What queriers read from an ingester: the heads and the unflushed local blocks of its shards, merged.
//!
//! A request pins a catalog version; its `flushed[shard]` says which generations are in blocks of that
//! version, and everything later is answered from here: so each sample is seen exactly once (CAT-1). It may name the shards that
//! it is for: one that is led elsewhere is refused, so that whoever asks knows that an answer has all of them.
//! Frames are made as they are asked for; dropping the stream drops the work.

mod labels;
mod readers;
mod reads;
mod scope;
mod select;
mod statistics;
mod store;

pub(crate) use readers::FixedShards;
pub use readers::{ShardReader, ShardReaders};
pub use store::{IngesterStore, StoreParts};
