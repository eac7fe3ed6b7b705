//! Deletion by a remote ingester: [`DeletionApi`] over a gRPC channel.

use async_trait::async_trait;
use tonic::transport::Channel;

use super::DeletionApi;
use super::wire::deletion_client::DeletionClient;
use super::wire::{CleanRequest, CleanResponse, CommitRequest, CommitResponse, LogRequest, LogResponse};
use crate::store::{StoreError, take};

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
        take(self.0.clone().log(request).await)
    }

    async fn commit(&self, request: CommitRequest) -> Result<CommitResponse, StoreError> {
        take(self.0.clone().commit(request).await)
    }

    async fn clean(&self, request: CleanRequest) -> Result<CleanResponse, StoreError> {
        take(self.0.clone().clean(request).await)
    }
}
