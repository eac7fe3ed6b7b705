//! How groups of different nodes reach each other: bytes out, bytes back.

use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;
use latewood_wal::GroupId;

/// A node that has replicas of groups.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Peer {
    /// The node's id; never another node's.
    pub id: u64,
    /// Where it listens, as the transport understands it.
    pub address: String,
}

impl fmt::Display for Peer {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "node {:016x} at {}", self.id, self.address)
    }
}

/// A request that got no answer; it may have been carried out all the same.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransportError {
    /// The node is not there, or has no such group: another attempt should wait.
    #[error("{peer} cannot be reached: {reason}")]
    Unreachable {
        /// The node.
        peer: Peer,
        /// What is in the way.
        reason: String,
    },
    /// The answer was lost: another attempt may be made at once.
    #[error("no answer came from {peer}: {reason}")]
    Lost {
        /// The node.
        peer: Peer,
        /// What happened.
        reason: String,
    },
}

/// Carries requests between nodes. Requests of a group to a node may be lost, doubled or overtaken by others; the bytes of
/// one arrive as they were sent, or not at all.
#[async_trait]
pub trait Transport: fmt::Debug + Send + Sync + 'static {
    /// Asks a node's replica of a group ([`crate::Group::answer`] there), and waits for the answer. The caller gives up by
    /// dropping the future.
    async fn ask(&self, peer: &Peer, group: GroupId, request: Bytes) -> Result<Bytes, TransportError>;
}

/// Reaches nobody: for groups of a single voter.
#[derive(Clone, Copy, Debug)]
pub struct NoTransport;

#[async_trait]
impl Transport for NoTransport {
    async fn ask(&self, peer: &Peer, _: GroupId, _: Bytes) -> Result<Bytes, TransportError> {
        let reason = "this node runs alone".to_owned();
        Err(TransportError::Unreachable { peer: peer.clone(), reason })
    }
}
