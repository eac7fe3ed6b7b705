//! A remote store: [`StoreApi`] over a gRPC channel.

use async_trait::async_trait;
use futures::StreamExt;
use latewood_model::SeriesRollups;
use tonic::Status;
use tonic::Streaming;
use tonic::codec::CompressionEncoding;
use tonic::transport::Channel;

use super::convert::batch_of_frame;
use super::rollups_frame::rollups_of_frame;
use super::status::{error_from_status, take};
use super::wire::store_client::StoreClient;
use super::wire::{
    ExemplarsRequest, ExemplarsResponse, LabelNamesRequest, LabelStrings, LabelValuesRequest,
    MetadataRequest, MetadataResponse, RingRequest, RingResponse, RollupsRequest, SelectRequest,
    SpansRequest, SpansResponse, StatisticsRequest, StatisticsResponse,
};
use super::{SelectBatch, SelectStream, StoreApi, StoreError, WireLimits};

/// A store at the other end of a channel. Clones share the connection.
#[derive(Clone, Debug)]
pub struct RemoteStore(StoreClient<Channel>);

impl RemoteStore {
    /// Speaks over this channel, which connects and reconnects by itself.
    #[must_use]
    pub fn new(channel: Channel, limits: &WireLimits) -> Self {
        let client = StoreClient::new(channel)
            .accept_compressed(CompressionEncoding::Zstd)
            .max_decoding_message_size(limits.max_message_bytes)
            .max_encoding_message_size(limits.max_message_bytes);
        Self(if limits.compress { client.send_compressed(CompressionEncoding::Zstd) } else { client })
    }
}

/// The batches of frames as they come.
fn batches<F: Send + 'static, S: 'static>(
    frames: Streaming<F>,
    batch_of: fn(F) -> Result<SelectBatch<S>, StoreError>,
) -> SelectStream<S> {
    let batch = move |frame: Result<F, Status>| batch_of(frame.map_err(|status| error_from_status(&status))?);
    frames.map(batch).boxed()
}

#[async_trait]
impl StoreApi for RemoteStore {
    async fn select(&self, request: SelectRequest) -> Result<SelectStream, StoreError> {
        let frames = take(self.0.clone().select(request).await)?;
        Ok(batches(frames, batch_of_frame))
    }

    async fn select_rollups(
        &self,
        request: RollupsRequest,
    ) -> Result<SelectStream<SeriesRollups>, StoreError> {
        let frames = take(self.0.clone().select_rollups(request).await)?;
        Ok(batches(frames, rollups_of_frame))
    }

    async fn label_names(&self, request: LabelNamesRequest) -> Result<LabelStrings, StoreError> {
        take(self.0.clone().label_names(request).await)
    }

    async fn label_values(&self, request: LabelValuesRequest) -> Result<LabelStrings, StoreError> {
        take(self.0.clone().label_values(request).await)
    }

    async fn metadata(&self, request: MetadataRequest) -> Result<MetadataResponse, StoreError> {
        take(self.0.clone().metadata(request).await)
    }

    async fn exemplars(&self, request: ExemplarsRequest) -> Result<ExemplarsResponse, StoreError> {
        take(self.0.clone().exemplars(request).await)
    }

    async fn statistics(&self, request: StatisticsRequest) -> Result<StatisticsResponse, StoreError> {
        take(self.0.clone().statistics(request).await)
    }

    async fn spans(&self, request: SpansRequest) -> Result<SpansResponse, StoreError> {
        take(self.0.clone().spans(request).await)
    }

    async fn ring(&self, request: RingRequest) -> Result<RingResponse, StoreError> {
        take(self.0.clone().ring(request).await)
    }
}
