//! openraft's network over a [`Transport`].

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::{Either, select};
use latewood_wal::GroupId;
use openraft::errors::{NetworkError, RPCError, ReplicationClosed, StreamingError, Unreachable};
use openraft::network::RPCOption;
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, TransferLeaderRequest,
    TransferLeaderResponse, VoteRequest, VoteResponse,
};
use openraft::{BasicNode, OptionalSend, RaftNetworkFactory, RaftNetworkV2};

use crate::codec::{Answer, Request};
use crate::transport::{Peer, Transport, TransportError};
use crate::types::{NodeId, Snapshot, Types, Vote};
use crate::{DecodeError, ReplicatedState};

/// The way of one group's requests.
#[derive(Clone, Debug)]
pub(crate) struct Network {
    pub(crate) group: GroupId,
    pub(crate) transport: Arc<dyn Transport>,
    /// After how long an append that was not answered counts as lost.
    pub(crate) patience: Duration,
}

impl<S: ReplicatedState> RaftNetworkFactory<Types<S>> for Network {
    type Network = Connection;

    async fn new_client(&mut self, target: NodeId, node: &BasicNode) -> Connection {
        Connection { peer: Peer { id: target, address: node.addr.clone() }, network: self.clone() }
    }
}

/// The way to one other replica.
#[derive(Clone, Debug)]
pub(crate) struct Connection {
    peer: Peer,
    network: Network,
}

impl Connection {
    async fn ask<S: ReplicatedState>(&self, request: Request<S>) -> Result<Answer<S>, RPCError<Types<S>>> {
        let Network { transport, group, .. } = &self.network;
        let answer =
            transport.ask(&self.peer, *group, request.encode()).await.map_err(|error| failed(&error))?;
        Answer::decode(answer).map_err(|error| self.foreign(&error))
    }

    /// Another kind of answer than was asked for, or none that is known here: it will not get better soon.
    fn foreign<S: ReplicatedState>(&self, error: &DecodeError) -> RPCError<Types<S>> {
        Unreachable::from_string(format!("{} answered something else: {error}", self.peer)).into()
    }

    fn other<S: ReplicatedState>(&self) -> RPCError<Types<S>> {
        self.foreign(&DecodeError("it belongs to another request".to_owned()))
    }
}

fn failed<S: ReplicatedState>(error: &TransportError) -> RPCError<Types<S>> {
    match error {
        TransportError::Unreachable { .. } => Unreachable::new(error).into(),
        TransportError::Lost { .. } => NetworkError::new(error).into(),
    }
}

impl<S: ReplicatedState> RaftNetworkV2<Types<S>> for Connection {
    type SnapshotData = Bytes;

    async fn append_entries(
        &mut self,
        rpc: AppendEntriesRequest<Types<S>>,
        _option: RPCOption,
    ) -> Result<AppendEntriesResponse<Types<S>>, RPCError<Types<S>>> {
        // openraft's own limit is a heartbeat's interval: a full entry may take longer on a busy disk.
        let asked = tokio::time::timeout(self.network.patience, self.ask(Request::Append(rpc))).await;
        let lost = |_| NetworkError::from_string(format!("{} did not answer an append", self.peer));
        match asked.map_err(lost)?? {
            Answer::Append(answer) => Ok(answer),
            _ => Err(self.other()),
        }
    }

    async fn vote(
        &mut self,
        rpc: VoteRequest<Types<S>>,
        _option: RPCOption,
    ) -> Result<VoteResponse<Types<S>>, RPCError<Types<S>>> {
        match self.ask(Request::Vote(rpc)).await? {
            Answer::Vote(answer) => Ok(answer),
            _ => Err(self.other()),
        }
    }

    async fn pre_vote(
        &mut self,
        rpc: VoteRequest<Types<S>>,
        _option: RPCOption,
    ) -> Result<VoteResponse<Types<S>>, RPCError<Types<S>>> {
        match self.ask(Request::PreVote(rpc)).await? {
            Answer::Vote(answer) => Ok(answer),
            _ => Err(self.other()),
        }
    }

    async fn full_snapshot(
        &mut self,
        vote: Vote,
        snapshot: Snapshot,
        cancel: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        _option: RPCOption,
    ) -> Result<SnapshotResponse<Types<S>>, StreamingError<Types<S>>> {
        let asked = std::pin::pin!(self.ask(Request::Snapshot(vote, snapshot)));
        let answer = match select(asked, std::pin::pin!(cancel)).await {
            Either::Left((answer, _)) => answer,
            Either::Right((closed, _)) => return Err(closed.into()),
        };
        match answer {
            Ok(Answer::Snapshot(answer)) => Ok(answer),
            Ok(_) => Err(Unreachable::from_string(self.other::<S>()).into()),
            Err(RPCError::Network(error)) => Err(error.into()),
            Err(error) => Err(Unreachable::from_string(error).into()),
        }
    }

    async fn transfer_leader(
        &mut self,
        request: TransferLeaderRequest<Types<S>>,
        _option: RPCOption,
    ) -> Result<TransferLeaderResponse<Types<S>>, RPCError<Types<S>>> {
        match self.ask(Request::Transfer(request)).await? {
            Answer::Transfer(answer) => Ok(answer),
            _ => Err(self.other()),
        }
    }
}
