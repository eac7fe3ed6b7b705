//! Deletion behind gRPC: the generated server over any [`DeletionApi`].

use std::sync::Arc;

use async_trait::async_trait;
use tonic::{Request, Response, Status};

use super::DeletionApi;
use super::wire::deletion_server::{Deletion, DeletionServer};
use super::wire::{CleanRequest, CleanResponse, CommitRequest, CommitResponse, LogRequest, LogResponse};
use crate::store::status_from_error;

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
        let answer = self.0.log(request.into_inner()).await;
        answer.map(Response::new).map_err(|error| status_from_error(&error))
    }

    async fn commit(&self, request: Request<CommitRequest>) -> Result<Response<CommitResponse>, Status> {
        let answer = self.0.commit(request.into_inner()).await;
        answer.map(Response::new).map_err(|error| status_from_error(&error))
    }

    async fn clean(&self, request: Request<CleanRequest>) -> Result<Response<CleanResponse>, Status> {
        let answer = self.0.clean(request.into_inner()).await;
        answer.map(Response::new).map_err(|error| status_from_error(&error))
    }
}
