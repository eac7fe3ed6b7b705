//! The shard's command.

use std::sync::Arc;

use bytes::Bytes;
use latewood_cluster::{Command, DecodeError};

use super::{DeletionEntry, EntryBatch, decode, encode};

/// An entry of a shard's log.
#[derive(Clone, Debug, PartialEq)]
pub enum ShardCommand {
    /// Samples.
    Write(Arc<EntryBatch>),
    /// Closes a generation and opens the next. `next` is the clock's milliseconds when it was proposed, or
    /// one more than `generation` if that is later: so numbers only grow, even when a node begins anew
    /// with an empty journal under catalogs that remember the old numbers.
    Freeze {
        /// The generation that is open.
        generation: u64,
        /// The one that follows.
        next: u64,
    },
    /// The leader of the entry's term is going to upload blocks of this generation, with the term in their ids.
    Uploading {
        /// The generation.
        generation: u64,
    },
    /// All tenants' samples of this generation, and of those before it, are in the catalog.
    Flushed {
        /// The generation.
        generation: u64,
    },
    /// Samples of closed generations are masked.
    Delete(Arc<DeletionEntry>),
}

impl Command for ShardCommand {
    fn encode(&self) -> Bytes {
        encode(self).into()
    }

    fn decode(bytes: Bytes) -> Result<Self, DecodeError> {
        decode(&bytes).map_err(|error| DecodeError(error.to_string()))
    }
}
