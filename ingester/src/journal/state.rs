//! The shard's state machine: the head as a function of its log.

use latewood_cluster::{Position, ReplicatedState};

use super::varint::{Reader, push};
use super::{EntryBatch, ShardCommand};
use crate::head::{AppendCounts, Head};

/// What applying a command did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShardResponse {
    /// The samples are in the head.
    Written(AppendCounts),
    /// The references were looked up in another term or generation: nothing was done, resolve anew.
    Stale,
    /// The generation is closed.
    Frozen,
    /// Nothing had to be done.
    Nothing,
}

/// Applies the log to a head. Pure but for waking whoever waits for generations to change.
#[derive(Debug)]
pub struct ShardState {
    head: Head,
}

/// The version of a checkpoint's payload.
const CHECKPOINT_VERSION: u8 = 1;

impl ShardState {
    /// Applies to this head, which is empty.
    #[must_use]
    pub fn new(head: Head) -> Self {
        Self { head }
    }

    /// The payload of a checkpoint taken where `generation` was frozen and `next` opened: all samples up
    /// to there are in the catalog.
    #[must_use]
    pub fn checkpoint(generation: u64, next: u64) -> Vec<u8> {
        let mut out = vec![CHECKPOINT_VERSION];
        push(&mut out, generation);
        push(&mut out, next);
        out
    }

    fn write(&self, position: Position, entry: &EntryBatch) -> ShardResponse {
        if entry.term != position.term {
            return ShardResponse::Stale;
        }
        let written = self.head.write(entry);
        written.map_or(ShardResponse::Stale, ShardResponse::Written)
    }
}

impl ReplicatedState for ShardState {
    type Command = ShardCommand;
    type Response = ShardResponse;

    fn apply(&mut self, position: Position, command: &ShardCommand) -> ShardResponse {
        match command {
            ShardCommand::Write(entry) => self.write(position, entry),
            ShardCommand::Freeze { generation, next } => {
                if self.head.freeze(*generation, *next, position) {
                    ShardResponse::Frozen
                } else {
                    ShardResponse::Stale
                }
            }
            ShardCommand::Uploading { generation } => {
                self.head.uploading(*generation, position.term);
                ShardResponse::Nothing
            }
            ShardCommand::Flushed { generation } => {
                self.head.flushed(*generation);
                ShardResponse::Nothing
            }
            ShardCommand::Delete(entry) => {
                self.head.delete(entry);
                ShardResponse::Nothing
            }
        }
    }

    fn restore(&mut self, checkpoint: &[u8], position: Position) {
        let mut reader = Reader(checkpoint);
        let known = reader.byte() == Some(CHECKPOINT_VERSION);
        let numbers = reader.number().zip(reader.number()).filter(|_| known);
        match numbers {
            Some((generation, next)) => self.head.restore(generation, next),
            None => {
                tracing::error!(%position, "the shard's checkpoint cannot be read");
                self.head.fail_restore();
            }
        }
    }
}
