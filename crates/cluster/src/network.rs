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
    /// Asks, and takes from the answer what belongs to the request.
    async fn ask<S: ReplicatedState, A>(
        &self,
        request: Request<S>,
        take: fn(Answer<S>) -> Option<A>,
    ) -> Result<A, RPCError<Types<S>>> {
        let Network { transport, group, .. } = &self.network;
        let answer =
            transport.ask(&self.peer, *group, request.encode()).await.map_err(|error| failed(&error))?;
        let other = || DecodeError("it belongs to another request".to_owned());
        let taken = Answer::decode(answer).and_then(|answer| take(answer).ok_or_else(other));
        // It will not get better soon.
        taken.map_err(|error| {
            Unreachable::from_string(format!("{} answered something else: {error}", self.peer)).into()
        })
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
        let asking = self.ask(Request::Append(rpc), |answer| match answer {
            Answer::Append(answer) => Some(answer),
            _ => None,
        });
        let lost = |_| NetworkError::from_string(format!("{} did not answer an append", self.peer));
        tokio::time::timeout(self.network.patience, asking).await.map_err(lost)?
    }

    async fn vote(
        &mut self,
        rpc: VoteRequest<Types<S>>,
        _option: RPCOption,
    ) -> Result<VoteResponse<Types<S>>, RPCError<Types<S>>> {
        self.ask(Request::Vote(rpc), voted).await
    }

    async fn pre_vote(
        &mut self,
        rpc: VoteRequest<Types<S>>,
        _option: RPCOption,
    ) -> Result<VoteResponse<Types<S>>, RPCError<Types<S>>> {
        self.ask(Request::PreVote(rpc), voted).await
    }

    async fn full_snapshot(
        &mut self,
        vote: Vote,
        snapshot: Snapshot,
        cancel: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        _option: RPCOption,
    ) -> Result<SnapshotResponse<Types<S>>, StreamingError<Types<S>>> {
        let asking = self.ask(Request::Snapshot(vote, snapshot), |answer| match answer {
            Answer::Snapshot(answer) => Some(answer),
            _ => None,
        });
        let answer = match select(std::pin::pin!(asking), std::pin::pin!(cancel)).await {
            Either::Left((answer, _)) => answer,
            Either::Right((closed, _)) => return Err(closed.into()),
        };
        answer.map_err(|error| match error {
            RPCError::Network(error) => error.into(),
            error => Unreachable::from_string(error).into(),
        })
    }

    async fn transfer_leader(
        &mut self,
        request: TransferLeaderRequest<Types<S>>,
        _option: RPCOption,
    ) -> Result<TransferLeaderResponse<Types<S>>, RPCError<Types<S>>> {
        self.ask(Request::Transfer(request), |answer| match answer {
            Answer::Transfer(answer) => Some(answer),
            _ => None,
        })
        .await
    }
}

fn voted<S: ReplicatedState>(answer: Answer<S>) -> Option<VoteResponse<Types<S>>> {
    match answer {
        Answer::Vote(answer) => Some(answer),
        _ => None,
    }
}
