//! The way to the other replicas. None yet: every group has one voter, which never calls.
//!
//! This is the place for the gRPC client; nothing else changes then.

use bytes::Bytes;
use openraft::errors::{RPCError, ReplicationClosed, StreamingError, Unreachable};
use openraft::network::RPCOption;
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, VoteRequest, VoteResponse,
};
use openraft::{AnyError, BasicNode, OptionalSend, RaftNetworkFactory, RaftNetworkV2};

use crate::ReplicatedState;
use crate::types::{NodeId, Snapshot, Types, Vote};

/// Reaches nobody.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NoNetwork;

/// A replica that is not reached.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Nobody(NodeId);

impl Nobody {
    fn unreachable<S: ReplicatedState>(self) -> Unreachable<Types<S>> {
        let problem =
            format!("node {} cannot be reached: groups of this version have a single voter", self.0);
        Unreachable::new(&AnyError::error(problem))
    }
}

impl<S: ReplicatedState> RaftNetworkFactory<Types<S>> for NoNetwork {
    type Network = Nobody;

    async fn new_client(&mut self, target: NodeId, _node: &BasicNode) -> Nobody {
        Nobody(target)
    }
}

impl<S: ReplicatedState> RaftNetworkV2<Types<S>> for Nobody {
    type SnapshotData = Bytes;

    async fn append_entries(
        &mut self,
        _rpc: AppendEntriesRequest<Types<S>>,
        _option: RPCOption,
    ) -> Result<AppendEntriesResponse<Types<S>>, RPCError<Types<S>>> {
        Err(self.unreachable().into())
    }

    async fn vote(
        &mut self,
        _rpc: VoteRequest<Types<S>>,
        _option: RPCOption,
    ) -> Result<VoteResponse<Types<S>>, RPCError<Types<S>>> {
        Err(self.unreachable().into())
    }

    async fn full_snapshot(
        &mut self,
        _vote: Vote,
        _snapshot: Snapshot,
        _cancel: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        _option: RPCOption,
    ) -> Result<SnapshotResponse<Types<S>>, StreamingError<Types<S>>> {
        Err(self.unreachable().into())
    }
}
