//! Deletion by a remote ingester: [`DeletionApi`] over a gRPC channel.

use async_trait::async_trait;
use tonic::Response;
use tonic::transport::Channel;

use super::DeletionApi;
use super::wire::deletion_client::DeletionClient;
use super::wire::{CleanRequest, CleanResponse, CommitRequest, CommitResponse, LogRequest, LogResponse};
use crate::store::{StoreError, error_from_status};

/// An ingester at the other end of a channel. Clones share the connection.
#[derive(Clone, Debug)]
pub struct RemoteDeletion(DeletionClient<Channel>);

impl RemoteDeletion {
    /// Speaks over this channel, which connects and reconnects by itself.
    #[must_use]
    pub fn new(channel: Channel) -> Self {
        Self(DeletionClient::new(channel))
    }
}

#[async_trait]
impl DeletionApi for RemoteDeletion {
    async fn log(&self, request: LogRequest) -> Result<LogResponse, StoreError> {
        let answer = self.0.clone().log(request).await;
        answer.map(Response::into_inner).map_err(|status| error_from_status(&status))
    }

    async fn commit(&self, request: CommitRequest) -> Result<CommitResponse, StoreError> {
        let answer = self.0.clone().commit(request).await;
        answer.map(Response::into_inner).map_err(|status| error_from_status(&status))
    }

    async fn clean(&self, request: CleanRequest) -> Result<CleanResponse, StoreError> {
        let answer = self.0.clone().clean(request).await;
        answer.map(Response::into_inner).map_err(|status| error_from_status(&status))
    }
}
