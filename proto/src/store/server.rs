//! A store behind gRPC: the generated server over any [`StoreApi`].

use std::pin::Pin;
use std::sync::Arc;

use async_trait::async_trait;
use futures::{Stream, StreamExt};
use tonic::codec::CompressionEncoding;
use tonic::{Request, Response, Status};

use super::convert::frame_of_batch;
use super::rollups_frame::frame_of_rollups;
use super::status::{reply, status_from_error};
use super::wire::store_server::{Store, StoreServer};
use super::wire::{
    ExemplarsRequest, ExemplarsResponse, LabelNamesRequest, LabelStrings, LabelValuesRequest,
    MetadataRequest, MetadataResponse, RingRequest, RingResponse, RollupsFrame, RollupsRequest, SelectFrame,
    SelectRequest, SpansRequest, SpansResponse, StatisticsRequest, StatisticsResponse,
};
use super::{SelectBatch, SelectStream, StoreApi, WireLimits};

/// Answers gRPC with a local store. A call whose client goes away is dropped, and with it the store's
/// stream and the work behind it.
#[derive(Clone)]
pub struct StoreService(Arc<dyn StoreApi>);

impl StoreService {
    /// A tonic service over a store, to be added to a server's routes.
    #[must_use]
    pub fn server(store: Arc<dyn StoreApi>, limits: &WireLimits) -> StoreServer<Self> {
        let server = StoreServer::new(Self(store))
            .accept_compressed(CompressionEncoding::Zstd)
            .max_decoding_message_size(limits.max_message_bytes)
            .max_encoding_message_size(limits.max_message_bytes);
        if limits.compress { server.send_compressed(CompressionEncoding::Zstd) } else { server }
    }
}

type Frames<F> = Pin<Box<dyn Stream<Item = Result<F, Status>> + Send>>;

/// Frames of batches as they come.
fn frames<S: 'static, F: 'static>(batches: SelectStream<S>, frame_of: fn(SelectBatch<S>) -> F) -> Frames<F> {
    Box::pin(batches.map(move |batch| batch.map(frame_of).map_err(|error| status_from_error(&error))))
}

#[async_trait]
impl Store for StoreService {
    type SelectStream = Frames<SelectFrame>;
    type SelectRollupsStream = Frames<RollupsFrame>;

    async fn select(&self, request: Request<SelectRequest>) -> Result<Response<Self::SelectStream>, Status> {
        let batches = self.0.select(request.into_inner()).await;
        reply(batches.map(|batches| frames(batches, frame_of_batch)))
    }

    async fn select_rollups(
        &self,
        request: Request<RollupsRequest>,
    ) -> Result<Response<Self::SelectRollupsStream>, Status> {
        let batches = self.0.select_rollups(request.into_inner()).await;
        reply(batches.map(|batches| frames(batches, frame_of_rollups)))
    }

    async fn label_names(
        &self,
        request: Request<LabelNamesRequest>,
    ) -> Result<Response<LabelStrings>, Status> {
        reply(self.0.label_names(request.into_inner()).await)
    }

    async fn label_values(
        &self,
        request: Request<LabelValuesRequest>,
    ) -> Result<Response<LabelStrings>, Status> {
        reply(self.0.label_values(request.into_inner()).await)
    }

    async fn metadata(
        &self,
        request: Request<MetadataRequest>,
    ) -> Result<Response<MetadataResponse>, Status> {
        reply(self.0.metadata(request.into_inner()).await)
    }

    async fn exemplars(
        &self,
        request: Request<ExemplarsRequest>,
    ) -> Result<Response<ExemplarsResponse>, Status> {
        reply(self.0.exemplars(request.into_inner()).await)
    }

    async fn statistics(
        &self,
        request: Request<StatisticsRequest>,
    ) -> Result<Response<StatisticsResponse>, Status> {
        reply(self.0.statistics(request.into_inner()).await)
    }

    async fn spans(&self, request: Request<SpansRequest>) -> Result<Response<SpansResponse>, Status> {
        reply(self.0.spans(request.into_inner()).await)
    }

    async fn ring(&self, request: Request<RingRequest>) -> Result<Response<RingResponse>, Status> {
        reply(self.0.ring(request.into_inner()).await)
    }
}
