//! A part of a write in bytes that refer to nothing: an entry of the log with all series spelled out, for a node that leads
//! the shard.

use bytes::Bytes;
use latewood_cluster::Command;

use super::queue::Piece;
use super::{EntryBuilder, ShardCommand};
use crate::distributor::ShardPart;
use crate::head::Generation;

/// Rows of a part, as an entry of term and generation 0.
#[derive(Clone, Debug)]
pub(crate) struct SpelledOut {
    /// The entry.
    pub(crate) bytes: Bytes,
    /// The row in the part's batch of each definition.
    pub(crate) rows: Vec<u32>,
}

/// Spells a part out, in entries of about `target` bytes at most.
pub(crate) fn spell_out(part: &ShardPart, target: usize) -> Vec<SpelledOut> {
    let nothing = Generation::new(0);
    let spelled = Piece::cut(part, target).into_iter().map(|piece| {
        let mut builder = EntryBuilder::new(&nothing, 0);
        builder.push_piece(&piece);
        let bytes = ShardCommand::Write(builder.build().into()).encode();
        SpelledOut { bytes, rows: piece.batch_rows().collect() }
    });
    spelled.collect()
}
