//! The way to the other replicas. None yet: every group has one voter, which never calls.
//!
//! This is the place for the gRPC client; nothing else changes then.

use openraft::error::{InstallSnapshotError, RPCError, RaftError, Unreachable};
use openraft::network::RPCOption;
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, InstallSnapshotRequest, InstallSnapshotResponse,
    VoteRequest, VoteResponse,
};
use openraft::{BasicNode, RaftNetwork, RaftNetworkFactory};

use crate::ReplicatedState;
use crate::types::{NodeId, Types};

/// Reaches nobody.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NoNetwork;

/// A replica that is not reached.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Nobody(NodeId);

impl Nobody {
    fn unreachable<E: std::error::Error>(self) -> RPCError<NodeId, BasicNode, E> {
        let problem =
            format!("node {} cannot be reached: groups of this version have a single voter", self.0);
        RPCError::Unreachable(Unreachable::new(&std::io::Error::other(problem)))
    }
}

impl<S: ReplicatedState> RaftNetworkFactory<Types<S>> for NoNetwork {
    type Network = Nobody;

    async fn new_client(&mut self, target: NodeId, _node: &BasicNode) -> Nobody {
        Nobody(target)
    }
}

impl<S: ReplicatedState> RaftNetwork<Types<S>> for Nobody {
    async fn append_entries(
        &mut self,
        _rpc: AppendEntriesRequest<Types<S>>,
        _option: RPCOption,
    ) -> Result<AppendEntriesResponse<NodeId>, RPCError<NodeId, BasicNode, RaftError<NodeId>>> {
        Err(self.unreachable())
    }

    async fn install_snapshot(
        &mut self,
        _rpc: InstallSnapshotRequest<Types<S>>,
        _option: RPCOption,
    ) -> Result<
        InstallSnapshotResponse<NodeId>,
        RPCError<NodeId, BasicNode, RaftError<NodeId, InstallSnapshotError>>,
    > {
        Err(self.unreachable())
    }

    async fn vote(
        &mut self,
        _rpc: VoteRequest<NodeId>,
        _option: RPCOption,
    ) -> Result<VoteResponse<NodeId>, RPCError<NodeId, BasicNode, RaftError<NodeId>>> {
        Err(self.unreachable())
    }
}
