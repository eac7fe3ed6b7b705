//! Changing what the nodes agree on, here or through another node.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use latewood_base::{ErrorKind, Ulid};
use latewood_cluster::{ClusterError, ClusterView, Command, ControlCommand};
use latewood_proto::cluster::wire::{ChangeRequest, change_response};
use latewood_proto::store::StoreError;

use super::Nodes;

/// What became of a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Changed {
    /// It was made, and the view has this generation.
    Done(u64),
    /// It was refused, and why.
    Refused(String),
    /// Nothing was done: another node leads the control group, if it is known which.
    NotLeader(Option<u64>),
}

/// The control group on this node.
#[async_trait]
pub trait Control: Send + Sync + 'static {
    /// Makes a change, if this node leads the control group.
    async fn change(&self, command: ControlCommand) -> Result<Changed, ClusterError>;
    /// What the nodes agree on, as far as it is known here.
    fn view(&self) -> Arc<ClusterView>;
}

/// How long a node may take for a change.
const PATIENCE: Duration = Duration::from_secs(10);
/// How many nodes are asked for one change.
const MAX_ASKED: usize = 32;

/// The control group as it is reached through other nodes.
#[derive(Clone, Debug)]
pub struct RemoteControl {
    /// The nodes.
    pub nodes: Arc<dyn Nodes>,
    /// The cluster.
    pub cluster: Ulid,
}

impl RemoteControl {
    /// Has a node make a change.
    ///
    /// # Errors
    /// [`StoreError`]: the change may have been made all the same, and may be made again.
    pub async fn change_at(&self, node: u64, command: &ControlCommand) -> Result<Changed, StoreError> {
        let unavailable = |reason: String| StoreError::new(ErrorKind::Unavailable, reason);
        let remote = self.nodes.node(node);
        let remote =
            remote.ok_or_else(|| unavailable(format!("it is not known where node {node:016x} is")))?;
        let request = ChangeRequest { cluster: self.cluster.to_string(), command: command.encode() };
        let answer = tokio::time::timeout(PATIENCE, remote.change(request)).await;
        let answer = answer.map_err(|_| unavailable(format!("node {node:016x} does not answer")))??;
        match answer.outcome {
            Some(change_response::Outcome::Generation(generation)) => Ok(Changed::Done(generation)),
            Some(change_response::Outcome::Refused(reason)) => Ok(Changed::Refused(reason)),
            Some(change_response::Outcome::NotLeader(not)) => Ok(Changed::NotLeader(known(not.leader))),
            None => Err(StoreError::new(ErrorKind::Internal, "an answer to a change says nothing")),
        }
    }

    /// Has whoever leads the control group make a change: asks these nodes, and those that they name, each once.
    ///
    /// # Errors
    /// None of them leads, or could be reached: the last one's answer.
    pub async fn change_somewhere(
        &self,
        nodes: &[u64],
        command: &ControlCommand,
    ) -> Result<Changed, StoreError> {
        let (mut to_ask, mut asked): (VecDeque<u64>, Vec<u64>) =
            (nodes.iter().copied().collect(), Vec::new());
        let mut last = StoreError::new(ErrorKind::Unavailable, "no node of the cluster is known");
        while let Some(node) = to_ask.pop_front().filter(|_| asked.len() < MAX_ASKED) {
            if asked.contains(&node) {
                continue;
            }
            asked.push(node);
            match self.change_at(node, command).await {
                Ok(Changed::NotLeader(leader)) => {
                    let reason = "the control group has no leader for now, or it is not known: retry";
                    last = StoreError::new(ErrorKind::Unavailable, reason);
                    // Whom it names knows best.
                    leader.into_iter().for_each(|leader| to_ask.push_front(leader));
                }
                Err(error) => last = error,
                done => return done,
            }
        }
        Err(last)
    }
}

/// A node on the wire: 0 is none.
pub(crate) fn known(node: u64) -> Option<u64> {
    Some(node).filter(|node| *node != 0)
}

#[cfg(test)]
mod tests;
