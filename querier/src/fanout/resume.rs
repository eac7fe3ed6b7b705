//! A store's series, going on from the next owners of its blocks where it fails.
//!
//! Blocks never change, so that all their owners have the same series in the same order: what was answered already
//! is left out by its labels, and no sample comes twice.

use std::sync::Arc;

use futures::{StreamExt, stream};
use latewood_model::{Labels, SeriesSamples, storage_order};
use latewood_proto::store::{SelectStream, SeriesStream, StoreApi, StoreError, merge_ahead, wire};

use super::Coverage;
use super::asking::Asking;
use super::targets::Target;

/// What is asked for, less the view.
pub(crate) type Request = Arc<wire::SelectRequest>;

/// Asks a store for series under its view.
pub(crate) fn select(
    request: &Request,
    store: Arc<dyn StoreApi>,
    view: wire::View,
) -> impl Future<Output = Result<SelectStream, StoreError>> + use<> {
    let mut request = wire::SelectRequest::clone(request);
    if let Some(scope) = &mut request.scope {
        scope.view = Some(view);
    }
    async move { store.select(request).await }
}

/// A store's series. A failure that nobody stands in for ends them, and is an error only where the answer may not be
/// partial.
pub(crate) fn resumed(
    asking: &Asking,
    request: &Request,
    target: Target,
    batches: SelectStream,
) -> SeriesStream {
    let reading = Reading {
        series: observed(batches, Arc::clone(&asking.coverage)),
        asking: asking.clone(),
        request: Arc::clone(request),
        target: Some(target),
        last: None,
    };
    let step = |reading: Option<Reading>| async move {
        let mut reading = reading?;
        match reading.next_batch().await {
            Ok(batch) => batch.map(|batch| (Ok(batch), Some(reading))),
            Err(error) => Some((Err(error), None)),
        }
    };
    stream::unfold(Some(reading), step).boxed()
}

/// The series of batches; takes note of what else they tell.
fn observed(batches: SelectStream, coverage: Arc<Coverage>) -> SeriesStream {
    let series = batches.map(move |batch| {
        let batch = batch?;
        coverage.saw_version(batch.newest_version);
        batch.bucket.into_iter().for_each(|usage| coverage.asked_bucket(usage));
        Ok(batch.series)
    });
    series.boxed()
}

struct Reading {
    asking: Asking,
    request: Request,
    series: SeriesStream,
    /// Whose series they are; none once others stand in, who look after themselves.
    target: Option<Target>,
    /// The last series that was answered; none once the series of those who stand in are past it.
    last: Option<Labels>,
}

impl Reading {
    async fn next_batch(&mut self) -> Result<Option<Vec<SeriesSamples>>, StoreError> {
        loop {
            match self.series.next().await {
                None => return Ok(None),
                Some(Ok(batch)) => {
                    let batch = self.take(batch);
                    if !batch.is_empty() {
                        return Ok(Some(batch));
                    }
                }
                Some(Err(error)) => {
                    let Some(failed) = self.target.take() else { return Err(error) };
                    self.series = self.instead(&failed, error).await?;
                }
            }
        }
    }

    /// The series of a batch that were not answered yet.
    fn take(&mut self, mut batch: Vec<SeriesSamples>) -> Vec<SeriesSamples> {
        if self.target.is_some() {
            self.last = batch.last().map(|series| series.labels.clone()).or(self.last.take());
        } else if let Some(last) = &self.last {
            let is_new = |series: &SeriesSamples| storage_order(&series.labels, last).is_gt();
            let known = batch.iter().position(is_new).unwrap_or(batch.len());
            batch.drain(..known);
            if !batch.is_empty() {
                self.last = None;
            }
        }
        batch
    }

    /// The series of those who stand in, from the first on; none where the answer may lack them.
    async fn instead(&mut self, failed: &Target, error: StoreError) -> Result<SeriesStream, StoreError> {
        let next = self.asking.instead(failed, error)?;
        let opened = self.asking.ask(next, |store, view| select(&self.request, store, view)).await?;
        let series =
            opened.into_iter().map(|(target, batches)| resumed(&self.asking, &self.request, target, batches));
        Ok(merge_ahead(series.collect()))
    }
}
