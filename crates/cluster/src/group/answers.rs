//! What other replicas ask this one.

use bytes::Bytes;
use openraft::async_runtime::WatchReceiver;
use openraft::errors::{Infallible, RaftError};
use tokio::time::Instant;

use super::Group;
use crate::codec::{Answer, Request};
use crate::types::Types;
use crate::{ClusterError, ReplicatedState};

impl<S: ReplicatedState> Group<S> {
    /// Answers what another replica's [`crate::Transport`] was asked for.
    ///
    /// # Errors
    /// The request is none, or the group has stopped here.
    pub async fn answer(&self, request: Bytes) -> Result<Bytes, ClusterError> {
        let raft = &self.0.raft;
        let request = Request::<S>::decode(request);
        let request = request
            .map_err(|error| ClusterError::Request { group: self.0.id, problem: error.to_string() })?;
        if let Request::Append(request) = &request
            && request.vote.leader_id.term >= raft.metrics().borrow_watched().current_term
        {
            // One of an earlier term leads no more. How long a disk takes does not matter.
            self.hear(Instant::now());
        }
        let answer = match request {
            Request::Append(request) => raft.append_entries(request).await.map(Answer::<S>::Append),
            Request::Vote(request) => raft.vote(request).await.map(Answer::Vote),
            Request::PreVote(request) => raft.pre_vote(request).await.map(Answer::Vote),
            Request::Snapshot(vote, snapshot) => raft
                .install_full_snapshot(vote, snapshot)
                .await
                .map(Answer::Snapshot)
                .map_err(RaftError::Fatal),
            Request::Transfer(request) => {
                raft.handle_transfer_leader(request).await.map(Answer::Transfer).map_err(RaftError::Fatal)
            }
        };
        let fatal = |error: RaftError<Types<S>, Infallible>| self.fatal(&error.unwrap_fatal());
        Ok(answer.map_err(fatal)?.encode())
    }
}
