//! Why a group did not do what was asked.

use latewood_base::{ErrorKind, Kinded};
use latewood_wal::{GroupId, WalError};

use crate::Position;

/// A group's error. Cloneable, because one failure is told to many waiting callers.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ClusterError {
    /// A setting is out of range.
    #[error("cluster setting {field}: {problem}")]
    Config {
        /// The setting's name.
        field: &'static str,
        /// What is wrong, and what is allowed.
        problem: String,
    },
    /// Another node leads this group, or nobody does for now.
    #[error("group {group}: this node does not lead (the leader is {leader:?}): send it there, or retry")]
    NotLeader {
        /// The group.
        group: GroupId,
        /// The leader's node id, when it is known.
        leader: Option<u64>,
    },
    /// The group has stopped, and stays so until the process is started again.
    #[error("group {group} has stopped: {reason}")]
    Stopped {
        /// The group.
        group: GroupId,
        /// What stopped it.
        reason: String,
    },
    /// The group did not come up in time.
    #[error("group {group} is not ready after {waited_ms} ms (`open_timeout_ms`): {waiting_for}")]
    NotReady {
        /// The group.
        group: GroupId,
        /// How long was waited, in milliseconds.
        waited_ms: u64,
        /// What was waited for.
        waiting_for: String,
    },
    /// An encoded command is larger than an entry may be.
    #[error("a command of {bytes} bytes is more than the {limit} of `max_command_bytes`")]
    TooLarge {
        /// The encoded size in bytes.
        bytes: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// A checkpoint was asked for at a position that cannot have one.
    #[error("group {group}: no checkpoint at {at}: {problem}")]
    Checkpoint {
        /// The group.
        group: GroupId,
        /// The position asked for.
        at: Position,
        /// Why not.
        problem: String,
    },
    /// The voters of a group cannot be changed so.
    #[error("group {group}: its voters cannot be changed: {problem}")]
    Membership {
        /// The group.
        group: GroupId,
        /// Why not.
        problem: String,
    },
    /// What another replica asked for makes no sense.
    #[error("group {group}: a request of another replica cannot be read: {problem}")]
    Request {
        /// The group.
        group: GroupId,
        /// What was found.
        problem: String,
    },
    /// What the journal holds for this group does not make sense.
    #[error("group {group}: its journal cannot be used: {problem}")]
    Corrupt {
        /// The group.
        group: GroupId,
        /// What was found.
        problem: String,
    },
    /// The journal failed.
    #[error(transparent)]
    Journal(#[from] WalError),
}

impl Kinded for ClusterError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Config { .. } | Self::Checkpoint { .. } | Self::Request { .. } => ErrorKind::Invalid,
            Self::NotLeader { .. }
            | Self::Stopped { .. }
            | Self::NotReady { .. }
            | Self::Membership { .. } => ErrorKind::Unavailable,
            Self::TooLarge { .. } => ErrorKind::TooLarge,
            Self::Corrupt { .. } => ErrorKind::Corrupt,
            Self::Journal(error) => error.kind(),
        }
    }
}
