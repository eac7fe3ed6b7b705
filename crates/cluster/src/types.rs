//! What openraft is told about our types.

use std::cmp::Ordering;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use bytes::Bytes;
use openraft::impls::{BoxedErrorSource, InlineBatch, OneshotResponder, leader_id_std};
use openraft::vote::RaftLeaderId;
use openraft::{BasicNode, EntryPayload, OptionalSend, RaftTypeConfig};
use tokio::sync::OwnedSemaphorePermit;

use crate::runtime::Runtime;
use crate::{Command, Position, ReplicatedState};

pub(crate) type NodeId = u64;
/// One leader a term: a [`Position`] names its term alone.
pub(crate) type LeaderId = leader_id_std::LeaderId<u64, NodeId>;
pub(crate) type Appender = <LeaderId as RaftLeaderId>::Committed;
pub(crate) type LogId = openraft::LogId<Appender>;
pub(crate) type Vote = openraft::Vote<LeaderId>;
pub(crate) type Membership = openraft::Membership<NodeId, BasicNode>;
pub(crate) type StoredMembership = openraft::StoredMembership<Appender, NodeId, BasicNode>;
pub(crate) type SnapshotMeta = openraft::SnapshotMeta<Appender, NodeId, BasicNode>;
pub(crate) type Snapshot = openraft::Snapshot<Appender, NodeId, BasicNode, Bytes>;
pub(crate) type Payload<S> = EntryPayload<Proposal<<S as ReplicatedState>::Command>, NodeId, BasicNode>;
pub(crate) type Entry<S> = openraft::Entry<Appender, Payload<S>>;

/// The type configuration of a group whose state is `S`.
pub(crate) struct Types<S>(PhantomData<fn() -> S>);

impl<S: ReplicatedState> RaftTypeConfig for Types<S> {
    type D = Proposal<S::Command>;
    type R = Option<S::Response>;
    type NodeId = NodeId;
    type Node = BasicNode;
    type Term = u64;
    type LeaderId = LeaderId;
    type Vote = Vote;
    type Payload = Payload<S>;
    type Entry = Entry<S>;
    type AsyncRuntime = Runtime;
    type Responder<T>
        = OneshotResponder<Self, T>
    where
        T: OptionalSend + 'static;
    type Batch<T>
        = InlineBatch<T>
    where
        T: OptionalSend + 'static;
    type ErrorSource = BoxedErrorSource;
}

/// A command with its encoding.
#[derive(Clone)]
pub(crate) struct Proposal<C> {
    pub(crate) command: C,
    pub(crate) bytes: Bytes,
    /// Room in the group's budget of commands under way; given back when the last copy is dropped.
    pub(crate) _room: Option<Arc<OwnedSemaphorePermit>>,
}

impl<C: Command> fmt::Debug for Proposal<C> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Proposal({} bytes)", self.bytes.len())
    }
}

impl<C: Command> fmt::Display for Proposal<C> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{self:?}")
    }
}

pub(crate) fn position(id: &LogId) -> Position {
    Position { term: id.leader_id.term, index: id.index }
}

/// Whether a quorum of `membership` is `node` alone.
pub(crate) fn is_sole_voter(membership: &Membership, node: NodeId) -> bool {
    let configs = membership.get_joint_config();
    !configs.is_empty() && configs.iter().all(|voters| voters.len() == 1 && voters.contains(&node))
}

// Derives would ask the same of `S`.
impl<S> fmt::Debug for Types<S> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Types")
    }
}

impl<S> Clone for Types<S> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<S> Copy for Types<S> {}

impl<S> Default for Types<S> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<S> PartialEq for Types<S> {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl<S> Eq for Types<S> {}

impl<S> PartialOrd for Types<S> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<S> Ord for Types<S> {
    fn cmp(&self, _: &Self) -> Ordering {
        Ordering::Equal
    }
}
