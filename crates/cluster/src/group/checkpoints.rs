//! Letting go of the log's beginning.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use openraft::RaftMetrics;

use super::Group;
use crate::types::{LogId, Types, position};
use crate::{ClusterError, Position, ReplicatedState};

/// The group ends or the wait does; openraft's own default is a day.
const NEVER: Duration = Duration::from_secs(365 * 24 * 3600);

impl<S: ReplicatedState> Group<S> {
    /// Makes `payload` the state as of the earlier applied position `at`, durably, and lets go of the log
    /// up to it; the journal's segments go when no group needs them. After a restart the state is
    /// restored from `payload`, and the entries after `at` are applied. A repetition does nothing.
    ///
    /// # Errors
    /// `at` is not an applied position, or is older than the last checkpoint; or the group has stopped.
    pub async fn checkpoint(&self, at: Position, payload: Bytes) -> Result<(), ClusterError> {
        // In a task of its own: when the caller goes away, the steps are still done to the end.
        let group = self.clone();
        let done = tokio::spawn(async move { group.take_checkpoint(at, payload).await }).await;
        done.unwrap_or_else(|error| Err(self.stopped(&error)))
    }

    async fn take_checkpoint(&self, at: Position, payload: Bytes) -> Result<(), ClusterError> {
        let _one_at_a_time = Arc::clone(&self.0.checkpoints).lock_owned().await;
        let refused = |problem| ClusterError::Checkpoint { group: self.0.id, at, problem };
        let id = self.log_id_of(at).await?;
        if !self.0.machine.save_checkpoint(id, payload, refused).await? {
            return Ok(());
        }
        self.0.raft.trigger().snapshot().await.map_err(|error| self.fatal(&error))?;
        let known = |metrics: &RaftMetrics<Types<S>>| metrics.snapshot >= Some(id);
        let waited = self.0.raft.wait(Some(NEVER)).metrics(known, "checkpoint").await;
        waited.map(drop).map_err(|error| self.stop_reason().unwrap_or_else(|| refused(error.to_string())))
    }

    async fn log_id_of(&self, at: Position) -> Result<LogId, ClusterError> {
        let refused = |problem: String| ClusterError::Checkpoint { group: self.0.id, at, problem };
        let (log, machine) = (self.0.log.clone(), self.0.machine.clone());
        let find = move || match machine.checkpoint_id() {
            Some(last) if last.index >= at.index => Ok(Some(last)),
            _ => log.log_id(at.index),
        };
        let found = self.0.lane.run(find).await.map_err(|error| refused(error.to_string()))??;
        match found {
            Some(id) if position(&id) == at => Ok(id),
            Some(id) if id.index > at.index => {
                Err(refused(format!("the last checkpoint is later, at {}", position(&id))))
            }
            Some(id) => Err(refused(format!("the entry there is at {}", position(&id)))),
            None => Err(refused("there is no such entry".to_owned())),
        }
    }
}
