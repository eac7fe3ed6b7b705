//! Who the replicas of a group are, and who leads them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use openraft::errors::{ClientWriteError, InitializeError, RaftError};
use openraft::{BasicNode, ChangeMembers};

use super::{Group, Inner};
use crate::transport::Peer;
use crate::types::Types;
use crate::{ClusterError, ReplicatedState};

impl<S: ReplicatedState> Group<S> {
    /// Forms the group of these voters, unless it was formed before; tells whether it did. All of its first members may
    /// call it, with the same voters.
    ///
    /// # Errors
    /// This node is not among the voters, or the group has stopped.
    pub async fn form(&self, voters: &[Peer]) -> Result<bool, ClusterError> {
        match self.0.raft.initialize(nodes(voters)).await {
            Ok(()) => Ok(true),
            Err(RaftError::APIError(InitializeError::NotAllowed(_))) => Ok(false),
            Err(RaftError::APIError(error)) => Err(self.membership(&error)),
            Err(RaftError::Fatal(fatal)) => Err(self.fatal(&fatal)),
        }
    }

    /// Makes these the group's voters, as [`Group::change_members`] does; nobody else follows.
    ///
    /// # Errors
    /// Those of [`Group::change_members`].
    pub async fn change_voters(&self, voters: &[Peer]) -> Result<(), ClusterError> {
        self.change_members(voters, &[]).await
    }

    /// Makes these the group's voters, and those its learners, who follow and do not vote. Voters that are new catch up
    /// first, while the others go on; those that are not named any more are told nothing further. A leader that is not named
    /// hands the lead to a voter a moment later, and changes nothing more. Asked of the leader, one change at a time.
    ///
    /// # Errors
    /// This node does not lead, another change is under way, or the group has stopped. What was done of the change stays;
    /// it may be asked for again.
    pub async fn change_members(&self, voters: &[Peer], learners: &[Peer]) -> Result<(), ClusterError> {
        let _one_at_a_time = self.0.changes.lock().await;
        let status = self.status();
        let known: BTreeSet<u64> = status.voters.iter().chain(&status.learners).map(|peer| peer.id).collect();
        // Until it hands the lead over, openraft takes changes from it, and must not: a debug build stops there.
        if !known.contains(&self.0.config.node_id) {
            return Err(self.not_leader(None));
        }
        // A voter has to have caught up; who only follows does that when it can.
        let all = voters.iter().map(|peer| (peer, true)).chain(learners.iter().map(|peer| (peer, false)));
        for (new, catches_up) in all.filter(|(peer, _)| !known.contains(&peer.id)) {
            let node = BasicNode::new(new.address.clone());
            let added = self.0.raft.add_learner(new.id, node, catches_up).await;
            added.map_err(|error| self.change_failed(error))?;
        }
        let vote: BTreeSet<u64> = voters.iter().map(|voter| voter.id).collect();
        if !status.voters.iter().map(|voter| voter.id).eq(vote.iter().copied()) {
            self.change_membership(ChangeMembers::ReplaceAllVoters(vote.clone())).await?;
        }
        let stays = |id: &u64| vote.contains(id) || learners.iter().any(|learner| learner.id == *id);
        let gone: BTreeSet<u64> = known.into_iter().filter(|id| !stays(id)).collect();
        if gone.is_empty() {
            return Ok(());
        }
        self.change_membership(ChangeMembers::RemoveNodes(gone)).await
    }

    async fn change_membership(&self, change: ChangeMembers<u64, BasicNode>) -> Result<(), ClusterError> {
        // Who votes no more stays a learner, until it is removed.
        let changed = self.0.raft.change_membership(change, true).await;
        changed.map(drop).map_err(|error| self.change_failed(error))
    }

    /// Hands the lead over to another voter, without the wait for an election; returns when it leads.
    ///
    /// # Errors
    /// This node does not lead, or the other did not come to lead in time: then this one stands for election again.
    pub async fn hand_over(&self, to: u64) -> Result<(), ClusterError> {
        if self.leader_term().is_none() {
            return Err(self.not_leader(self.status().leader));
        }
        // In a task of its own: a leader that has begun to hand over neither takes proposals nor tells that it lives.
        let group = self.clone();
        let done = tokio::spawn(async move {
            let _one_at_a_time = group.0.changes.lock().await;
            group.hand_over_now(to).await
        });
        let done = done.await;
        done.unwrap_or_else(|error| Err(self.stopped(&error)))
    }

    async fn hand_over_now(&self, to: u64) -> Result<(), ClusterError> {
        let Inner { raft, config, id, .. } = &*self.0;
        raft.trigger().transfer_leader(to).await.map_err(|error| self.fatal(&error))?;
        let waited_ms = 2 * config.election_timeout_ms;
        let led = raft.wait(Some(Duration::from_millis(waited_ms))).current_leader(to, "leads").await;
        let Err(error) = led else { return Ok(()) };
        if let Some(stopped) = self.stop_reason() {
            return Err(stopped);
        }
        raft.trigger().elect(true).await.map_err(|error| self.fatal(&error))?;
        Err(ClusterError::NotReady { group: *id, waited_ms, waiting_for: error.to_string() })
    }

    fn change_failed(&self, error: RaftError<Types<S>, ClientWriteError<Types<S>>>) -> ClusterError {
        match error {
            RaftError::APIError(ClientWriteError::ForwardToLeader(to)) => self.not_leader(to.leader_id),
            RaftError::APIError(other) => self.membership(&other),
            RaftError::Fatal(fatal) => self.fatal(&fatal),
        }
    }

    fn membership(&self, error: &dyn ToString) -> ClusterError {
        ClusterError::Membership { group: self.0.id, problem: error.to_string() }
    }
}

fn nodes(peers: &[Peer]) -> BTreeMap<u64, BasicNode> {
    peers.iter().map(|peer| (peer.id, BasicNode::new(peer.address.clone()))).collect()
}
