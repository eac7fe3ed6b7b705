//! What a group replicates: commands, and the state they are applied to.

use std::fmt::{self, Debug};

use bytes::Bytes;

/// Where an entry stands in a group's log. Later entries compare greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Position {
    /// The term of the leader that appended the entry.
    pub term: u64,
    /// The entry's index; consecutive, from 0.
    pub index: u64,
}

impl fmt::Display for Position {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}.{}", self.term, self.index)
    }
}

/// Bytes of the log that are not a command.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a command: {0}")]
pub struct DecodeError(pub String);

/// An entry of the log. Stays typed in memory, and is encoded once for disk and wire.
pub trait Command: Clone + Send + Sync + Debug + 'static {
    /// The bytes that [`Command::decode`] reads back. Called once for each proposal, on the caller's
    /// task; they should carry a version.
    fn encode(&self) -> Bytes;

    /// Reads what [`Command::encode`] wrote.
    ///
    /// # Errors
    /// The bytes are not a command of a version that is known here.
    fn decode(bytes: Bytes) -> Result<Self, DecodeError>;
}

/// The state a group's log is applied to, the same on every replica.
///
/// `apply` is pure: it depends on the state and the command alone, asks no clock, draws no random number
/// and cannot fail. It runs off the async runtime.
pub trait ReplicatedState: Send + 'static {
    /// What is proposed. A clone is cheap (an `Arc` inside).
    type Command: Command;
    /// What the proposer gets back.
    type Response: Clone + Debug + Send + Sync + 'static;

    /// Applies the entry at `position`. Positions only grow; some are skipped, because not every entry
    /// of the log is a command.
    fn apply(&mut self, position: Position, command: &Self::Command) -> Self::Response;

    /// Replaces the state by what it was at `position`, as the payload of a checkpoint tells. The
    /// entries after it are applied next.
    fn restore(&mut self, checkpoint: &[u8], position: Position);
}
