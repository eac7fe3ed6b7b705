//! A store that asks for its peers to be looked up again when it does not answer.

use async_trait::async_trait;
use futures::StreamExt as _;
use latewood_base::{ErrorKind, Kinded as _};
use latewood_discovery::LookUpAgain;
use latewood_model::SeriesRollups;
use latewood_proto::store::wire::{
    ExemplarsRequest, ExemplarsResponse, LabelNamesRequest, LabelStrings, LabelValuesRequest,
    MetadataRequest, MetadataResponse, RingRequest, RingResponse, RollupsRequest, SelectRequest,
    SpansRequest, SpansResponse, StatisticsRequest, StatisticsResponse,
};
use latewood_proto::store::{SelectStream, StoreApi, StoreError};

/// Passes everything on, and asks for a look-up after each answer that did not come.
pub struct Reporting<S> {
    inner: S,
    asked: LookUpAgain,
}

impl<S> Reporting<S> {
    /// A store among peers that `asked` looks up.
    pub fn new(inner: S, asked: LookUpAgain) -> Self {
        Self { inner, asked }
    }

    fn report<T>(&self, answer: Result<T, StoreError>) -> Result<T, StoreError> {
        answer.inspect_err(|error| report(error, &self.asked))
    }

    /// A stream whose error is reported, too.
    fn watched<T: 'static>(&self, batches: SelectStream<T>) -> SelectStream<T> {
        let asked = self.asked.clone();
        let look = move |batch: &Result<_, _>| {
            if let Err(error) = batch {
                report(error, &asked);
            }
        };
        batches.inspect(look).boxed()
    }
}

fn report(error: &StoreError, asked: &LookUpAgain) {
    if error.kind() == ErrorKind::Unavailable {
        asked.ask();
    }
}

#[async_trait]
impl<S: StoreApi> StoreApi for Reporting<S> {
    async fn select(&self, request: SelectRequest) -> Result<SelectStream, StoreError> {
        self.report(self.inner.select(request).await).map(|batches| self.watched(batches))
    }

    async fn select_rollups(
        &self,
        request: RollupsRequest,
    ) -> Result<SelectStream<SeriesRollups>, StoreError> {
        self.report(self.inner.select_rollups(request).await).map(|batches| self.watched(batches))
    }

    async fn label_names(&self, request: LabelNamesRequest) -> Result<LabelStrings, StoreError> {
        self.report(self.inner.label_names(request).await)
    }

    async fn label_values(&self, request: LabelValuesRequest) -> Result<LabelStrings, StoreError> {
        self.report(self.inner.label_values(request).await)
    }

    async fn metadata(&self, request: MetadataRequest) -> Result<MetadataResponse, StoreError> {
        self.report(self.inner.metadata(request).await)
    }

    async fn exemplars(&self, request: ExemplarsRequest) -> Result<ExemplarsResponse, StoreError> {
        self.report(self.inner.exemplars(request).await)
    }

    async fn statistics(&self, request: StatisticsRequest) -> Result<StatisticsResponse, StoreError> {
        self.report(self.inner.statistics(request).await)
    }

    async fn spans(&self, request: SpansRequest) -> Result<SpansResponse, StoreError> {
        self.report(self.inner.spans(request).await)
    }

    async fn ring(&self, request: RingRequest) -> Result<RingResponse, StoreError> {
        self.report(self.inner.ring(request).await)
    }
}
