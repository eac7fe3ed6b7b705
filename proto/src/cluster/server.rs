//! A node behind gRPC: the generated server over any [`ClusterApi`].

use std::sync::Arc;

use async_trait::async_trait;
use tonic::codec::CompressionEncoding;
use tonic::{Request, Response, Status};

use super::wire::cluster_server::{Cluster, ClusterServer};
use super::wire::{
    ChangeRequest, ChangeResponse, ReplicateRequest, ReplicateResponse, WhoRequest, WhoResponse,
    WriteRequest, WriteResponse,
};
use super::{ClusterApi, ClusterWire};
use crate::store::reply;

/// Answers gRPC with a local node.
#[derive(Clone)]
pub struct ClusterService(Arc<dyn ClusterApi>);

impl ClusterService {
    /// A tonic service, to be added to a server's routes.
    #[must_use]
    pub fn server(node: Arc<dyn ClusterApi>, wire: ClusterWire) -> ClusterServer<Self> {
        // Answers are small: they go as they are.
        ClusterServer::new(Self(node))
            .accept_compressed(CompressionEncoding::Zstd)
            .max_decoding_message_size(wire.max_message_bytes)
            .max_encoding_message_size(wire.max_message_bytes)
    }
}

#[async_trait]
impl Cluster for ClusterService {
    async fn replicate(
        &self,
        request: Request<ReplicateRequest>,
    ) -> Result<Response<ReplicateResponse>, Status> {
        reply(self.0.replicate(request.into_inner()).await)
    }

    async fn write(&self, request: Request<WriteRequest>) -> Result<Response<WriteResponse>, Status> {
        reply(self.0.write(request.into_inner()).await)
    }

    async fn who(&self, request: Request<WhoRequest>) -> Result<Response<WhoResponse>, Status> {
        reply(self.0.who(request.into_inner()).await)
    }

    async fn change(&self, request: Request<ChangeRequest>) -> Result<Response<ChangeResponse>, Status> {
        reply(self.0.change(request.into_inner()).await)
    }
}
