//! The one store that a process serves over gRPC, whichever parts it has.

use std::sync::Arc;

use async_trait::async_trait;
use latewood_model::SeriesRollups;
use latewood_proto::store::wire::{
    ExemplarsRequest, ExemplarsResponse, LabelNamesRequest, LabelStrings, LabelValuesRequest,
    MetadataRequest, MetadataResponse, RingRequest, RingResponse, RollupsRequest, Scope, SelectRequest,
    SpansRequest, SpansResponse, StatisticsRequest, StatisticsResponse, View,
};
use latewood_proto::store::{SelectStream, StoreApi, StoreError};

use super::Started;

/// What queriers in other processes may ask of this one.
pub fn served_store(started: &Started) -> Option<Arc<dyn StoreApi>> {
    match (started.newest.clone(), started.blocks.clone()) {
        (Some(newest), Some(blocks)) => Some(Arc::new(ByView { newest, blocks })),
        (newest, blocks) => newest.or(blocks),
    }
}

/// An ingester and a store-gateway behind one address: a request whose view names blocks is for the one that
/// has blocks. So a querier may list this process as both, and neither answers for the other's part.
struct ByView {
    newest: Arc<dyn StoreApi>,
    blocks: Arc<dyn StoreApi>,
}

impl ByView {
    fn of_view(&self, view: Option<&View>) -> &dyn StoreApi {
        let names_blocks = view.is_some_and(|view| !view.blocks.is_empty());
        if names_blocks { &*self.blocks } else { &*self.newest }
    }

    fn of_scope(&self, scope: Option<&Scope>) -> &dyn StoreApi {
        self.of_view(scope.and_then(|scope| scope.view.as_ref()))
    }
}

#[async_trait]
impl StoreApi for ByView {
    async fn select(&self, request: SelectRequest) -> Result<SelectStream, StoreError> {
        self.of_scope(request.scope.as_ref()).select(request).await
    }

    async fn select_rollups(
        &self,
        request: RollupsRequest,
    ) -> Result<SelectStream<SeriesRollups>, StoreError> {
        self.of_scope(request.scope.as_ref()).select_rollups(request).await
    }

    async fn label_names(&self, request: LabelNamesRequest) -> Result<LabelStrings, StoreError> {
        self.of_scope(request.scope.as_ref()).label_names(request).await
    }

    async fn label_values(&self, request: LabelValuesRequest) -> Result<LabelStrings, StoreError> {
        self.of_scope(request.scope.as_ref()).label_values(request).await
    }

    async fn metadata(&self, request: MetadataRequest) -> Result<MetadataResponse, StoreError> {
        self.of_view(request.view.as_ref()).metadata(request).await
    }

    async fn exemplars(&self, request: ExemplarsRequest) -> Result<ExemplarsResponse, StoreError> {
        self.of_view(request.view.as_ref()).exemplars(request).await
    }

    async fn statistics(&self, request: StatisticsRequest) -> Result<StatisticsResponse, StoreError> {
        self.of_view(request.view.as_ref()).statistics(request).await
    }

    async fn spans(&self, request: SpansRequest) -> Result<SpansResponse, StoreError> {
        self.of_view(request.view.as_ref()).spans(request).await
    }

    async fn ring(&self, request: RingRequest) -> Result<RingResponse, StoreError> {
        self.newest.ring(request).await
    }
}
