//! What a group is asked for: to append, and to tell when all that was acknowledged can be read.

use std::sync::Arc;

use openraft::ReadPolicy;
use openraft::errors::{ClientWriteError, LinearizableReadError, RaftError};

use super::{Group, Inner};
use crate::types::{Proposal, position};
use crate::{ClusterError, Command, Position, ReplicatedState};

/// Permits are of this many bytes, so that their number fits 32 bits.
pub(super) const PERMIT_BYTES: usize = 1024;

impl<S: ReplicatedState> Group<S> {
    /// Appends a command; resolves when a majority has it fsynced and it is applied here. Commands are
    /// applied in the order of their positions. When dropped while it waits, the command may still be
    /// appended and applied.
    ///
    /// # Errors
    /// This node does not lead, the command is too large, or the group has stopped. In the last case the
    /// command may have been appended.
    pub async fn propose(&self, command: S::Command) -> Result<(Position, S::Response), ClusterError> {
        let Inner { id, config, room, raft, .. } = &*self.0;
        let bytes = command.encode();
        if bytes.len() > config.max_command_bytes {
            return Err(ClusterError::TooLarge { bytes: bytes.len(), limit: config.max_command_bytes });
        }
        let permits = u32::try_from(bytes.len().div_ceil(PERMIT_BYTES).max(1)).unwrap_or(u32::MAX);
        let room = Arc::clone(room).acquire_many_owned(permits).await.ok().map(Arc::new);
        let written =
            raft.client_write(Proposal { command, bytes, _room: room }).await.map_err(
                |error| match error {
                    RaftError::APIError(ClientWriteError::ForwardToLeader(to)) => {
                        self.not_leader(to.leader_id)
                    }
                    RaftError::APIError(other) => {
                        ClusterError::Stopped { group: *id, reason: other.to_string() }
                    }
                    RaftError::Fatal(fatal) => self.fatal(&fatal),
                },
            )?;
        let at = position(&written.log_id);
        let response = written.data.ok_or_else(|| ClusterError::Corrupt {
            group: *id,
            problem: format!("the command at {at} was applied without a response"),
        })?;
        Ok((at, response))
    }

    /// Resolves when everything acknowledged before the call is applied here, and this node still led
    /// after the call. A sole voter whose disk refused fulfils that too: what it acknowledged it had applied,
    /// and nobody can have acknowledged anything since.
    ///
    /// # Errors
    /// This node does not lead, or the group has stopped for another reason.
    pub async fn read_barrier(&self) -> Result<(), ClusterError> {
        let Err(error) = self.0.raft.ensure_linearizable(ReadPolicy::ReadIndex).await else {
            return Ok(());
        };
        match error {
            RaftError::APIError(LinearizableReadError::ForwardToLeader(to)) => {
                Err(self.not_leader(to.leader_id))
            }
            RaftError::APIError(LinearizableReadError::QuorumNotEnough(_)) => Err(self.not_leader(None)),
            RaftError::Fatal(fatal) if self.is_alone() && self.is_refused_by_the_disk() => {
                tracing::debug!(group = self.0.id, %fatal, "a stopped group is read");
                Ok(())
            }
            RaftError::Fatal(fatal) => Err(self.fatal(&fatal)),
        }
    }
}
