//! The trait by which series are deleted.

use async_trait::async_trait;

use super::wire::{CleanRequest, CleanResponse, CommitRequest, CommitResponse, LogRequest, LogResponse};
use crate::store::StoreError;

/// Deletes series: implemented by the ingester, and by the gRPC client of a remote one. First every ingester logs a
/// deletion, then one commits it; both may be repeated.
#[async_trait]
pub trait DeletionApi: Send + Sync + 'static {
    /// Masks what this ingester holds that is in no block yet.
    async fn log(&self, request: LogRequest) -> Result<LogResponse, StoreError>;
    /// Masks what is in blocks.
    async fn commit(&self, request: CommitRequest) -> Result<CommitResponse, StoreError>;
    /// Has the compactor apply what was deleted until now without waiting.
    async fn clean(&self, request: CleanRequest) -> Result<CleanResponse, StoreError>;
}
