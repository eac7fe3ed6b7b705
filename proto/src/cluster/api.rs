//! The trait by which nodes of a cluster ask each other.

use async_trait::async_trait;

use super::wire::{
    ChangeRequest, ChangeResponse, ReplicateRequest, ReplicateResponse, WhoRequest, WhoResponse,
    WriteRequest, WriteResponse,
};
use crate::store::StoreError;

/// A node of a cluster, or one that is to be: implemented by the ingester, and by the gRPC client of a remote one. Every
/// request may be repeated.
#[async_trait]
pub trait ClusterApi: Send + Sync + 'static {
    /// Hands a request to this node's replica of a group. An error of the kind `Timeout` says that it may have been carried
    /// out; all others that the node is not there, or not the one that was meant.
    async fn replicate(&self, request: ReplicateRequest) -> Result<ReplicateResponse, StoreError>;
    /// Writes what a shard is to store, if this node leads it.
    async fn write(&self, request: WriteRequest) -> Result<WriteResponse, StoreError>;
    /// Says which node this is.
    async fn who(&self, request: WhoRequest) -> Result<WhoResponse, StoreError>;
    /// Changes what the nodes agree on, if this node leads the control group.
    async fn change(&self, request: ChangeRequest) -> Result<ChangeResponse, StoreError>;
}
