//! How a group stands, as one of its replicas sees it.

use std::collections::BTreeMap;
use std::time::Duration;

use openraft::async_runtime::WatchReceiver;
use openraft::{Instant, ServerState};

use super::Group;
use crate::transport::Peer;
use crate::{GroupId, ReplicatedState};

/// What a replica does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It proposes.
    Leader,
    /// It stands for election.
    Candidate,
    /// It follows a leader, and votes.
    Follower,
    /// It follows a leader and does not vote (yet).
    Learner,
    /// It has stopped.
    Stopped,
}

/// How a group stands, as one of its replicas sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupStatus {
    /// The group.
    pub id: GroupId,
    /// What this replica does.
    pub role: Role,
    /// The newest term that it knows.
    pub term: u64,
    /// The node that leads, if it is known.
    pub leader: Option<u64>,
    /// Those whose majority decides; of both sides while voters are changed.
    pub voters: Vec<Peer>,
    /// The entry that made them so; none before there is any.
    pub members_at: Option<u64>,
    /// Those that are to become voters.
    pub learners: Vec<Peer>,
    /// The newest entry of its log.
    pub last: Option<u64>,
    /// The newest entry that a majority is known to have, as the leader told last.
    pub committed: Option<u64>,
    /// The newest entry that is applied here.
    pub applied: Option<u64>,
    /// Of a leader: the newest entry that each replica is known to have.
    pub replicated: BTreeMap<u64, Option<u64>>,
    /// Of a leader: how long ago each of the others answered last; none for those that never did.
    pub heard: BTreeMap<u64, Option<Duration>>,
}

impl<S: ReplicatedState> Group<S> {
    /// How the group stands.
    #[must_use]
    pub fn status(&self) -> GroupStatus {
        let metrics = self.0.raft.metrics().borrow_watched().clone();
        let membership = metrics.membership_config.membership();
        let is_voter = |id: &u64| membership.voter_ids().any(|voter| voter == *id);
        let peers = membership.nodes().map(|(id, node)| Peer { id: *id, address: node.addr.clone() });
        let (voters, learners) = peers.partition(|peer: &Peer| is_voter(&peer.id));
        let role = match (&metrics.running_state, metrics.state) {
            (Err(_), _) | (_, ServerState::Shutdown) => Role::Stopped,
            (_, ServerState::Leader) => Role::Leader,
            (_, ServerState::Candidate) => Role::Candidate,
            (_, ServerState::Follower) => Role::Follower,
            (_, ServerState::Learner) => Role::Learner,
        };
        let replicated = metrics.replication.into_iter().flatten();
        let heard = metrics.heartbeat.into_iter().flatten().filter(|(id, _)| *id != self.0.config.node_id);
        GroupStatus {
            id: self.0.id,
            role,
            term: metrics.current_term,
            leader: metrics.current_leader,
            voters,
            members_at: metrics.membership_config.log_id().as_ref().map(|id| id.index),
            learners,
            last: metrics.last_log_index,
            committed: metrics.cluster_committed.map(|id| id.index),
            applied: metrics.last_applied.map(|id| id.index),
            replicated: replicated.map(|(id, matched)| (id, matched.map(|id| id.index))).collect(),
            heard: heard.map(|(id, at)| (id, at.map(|at| at.elapsed()))).collect(),
        }
    }
}
