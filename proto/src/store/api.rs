//! The trait by which roles read from each other.

use async_trait::async_trait;
use futures::stream::BoxStream;
use latewood_model::{SeriesRollups, SeriesSamples};

use super::StoreError;
use super::wire::{
    BucketUsage, ExemplarsRequest, ExemplarsResponse, LabelNamesRequest, LabelStrings, LabelValuesRequest,
    MetadataRequest, MetadataResponse, RingRequest, RingResponse, RollupsRequest, SelectRequest,
    SpansRequest, SpansResponse, StatisticsRequest, StatisticsResponse,
};

/// A part of what a select found.
#[derive(Clone, Debug)]
pub struct SelectBatch<S = SeriesSamples> {
    /// Series, in storage order.
    pub series: Vec<S>,
    /// The newest catalog version that the store knows of.
    pub newest_version: u64,
    /// What the bucket was asked for since the batch before.
    pub bucket: Option<BucketUsage>,
}

impl<S> Default for SelectBatch<S> {
    fn default() -> Self {
        Self { series: Vec::new(), newest_version: 0, bucket: None }
    }
}

/// Batches of a select, ending at the first error. Dropping the stream cancels the work behind it.
pub type SelectStream<S = SeriesSamples> = BoxStream<'static, Result<SelectBatch<S>, StoreError>>;

/// Reads of one role's data: implemented by the ingester and the store-gateway, and by the gRPC client
/// of a remote one. Series come in storage order, each once per stream, samples ascending.
#[async_trait]
pub trait StoreApi: Send + Sync + 'static {
    /// Streams the series that match, with their samples in a range.
    async fn select(&self, request: SelectRequest) -> Result<SelectStream, StoreError>;
    /// Streams the series that match, with their windows that end in a range, out of the rollup blocks that the view
    /// names: all of one resolution. A store that has no blocks has none.
    async fn select_rollups(
        &self,
        request: RollupsRequest,
    ) -> Result<SelectStream<SeriesRollups>, StoreError>;
    /// The names of labels on the series that match.
    async fn label_names(&self, request: LabelNamesRequest) -> Result<LabelStrings, StoreError>;
    /// The values of one label on the series that match.
    async fn label_values(&self, request: LabelValuesRequest) -> Result<LabelStrings, StoreError>;
    /// Type, unit and help of metrics.
    async fn metadata(&self, request: MetadataRequest) -> Result<MetadataResponse, StoreError>;
    /// Exemplars of the series that match.
    async fn exemplars(&self, request: ExemplarsRequest) -> Result<ExemplarsResponse, StoreError>;
    /// Cardinality of what is held.
    async fn statistics(&self, request: StatisticsRequest) -> Result<StatisticsResponse, StoreError>;
    /// The times of what is held for a view, beside its blocks.
    async fn spans(&self, request: SpansRequest) -> Result<SpansResponse, StoreError>;
    /// Of which cluster an ingester is, and which shards it leads now. `Unsupported` of a store that has no shards, or is
    /// older than this call: such a one is asked for all that it has.
    async fn ring(&self, request: RingRequest) -> Result<RingResponse, StoreError>;
}
