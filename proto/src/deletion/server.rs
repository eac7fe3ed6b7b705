//! Deletion behind gRPC: the generated server over any [`DeletionApi`].

use std::sync::Arc;

use async_trait::async_trait;
use tonic::{Request, Response, Status};

use super::DeletionApi;
use super::wire::deletion_server::{Deletion, DeletionServer};
use super::wire::{CleanRequest, CleanResponse, CommitRequest, CommitResponse, LogRequest, LogResponse};
use crate::store::reply;

/// Answers gRPC with a local ingester.
#[derive(Clone)]
pub struct DeletionService(Arc<dyn DeletionApi>);

impl DeletionService {
    /// A tonic service, to be added to a server's routes.
    #[must_use]
    pub fn server(deletion: Arc<dyn DeletionApi>) -> DeletionServer<Self> {
        DeletionServer::new(Self(deletion))
    }
}

#[async_trait]
impl Deletion for DeletionService {
    async fn log(&self, request: Request<LogRequest>) -> Result<Response<LogResponse>, Status> {
        reply(self.0.log(request.into_inner()).await)
    }

    async fn commit(&self, request: Request<CommitRequest>) -> Result<Response<CommitResponse>, Status> {
        reply(self.0.commit(request.into_inner()).await)
    }

    async fn clean(&self, request: Request<CleanRequest>) -> Result<Response<CleanResponse>, Status> {
        reply(self.0.clean(request.into_inner()).await)
    }
}
