//! The times of what ingesters hold beside a view.

use std::sync::Arc;

use futures::future::try_join_all;
use latewood_base::ErrorKind;
use latewood_model::TimeRange;
use latewood_proto::store::{StoreError, wire};

use super::{Fanout, FanoutSource, Pinned, targets};

impl Fanout {
    /// One span or more of each ingester that holds anything which is in no block of the view.
    ///
    /// # Errors
    /// Of the first ingester that does not tell, or if too few are known.
    async fn spans(&self, pinned: &Pinned) -> Result<Vec<TimeRange>, StoreError> {
        if pinned.ingesters.len() < self.min_ingesters {
            return Err(StoreError::new(ErrorKind::Unavailable, "too few ingesters are known"));
        }
        let asked = targets::heads(&pinned.view, &pinned.ingesters).into_iter().map(|target| async move {
            let tenant = pinned.tenant.to_string();
            target.store.api.spans(wire::SpansRequest { tenant, view: Some(target.view) }).await
        });
        let spans = try_join_all(asked).await?.into_iter().flat_map(|answer| answer.spans);
        Ok(spans.map(|span| TimeRange::new(span.start_ms, span.end_ms)).collect())
    }
}

impl FanoutSource {
    /// The same, asked once in this attempt: samples that came since need not be seen. All of time where that is not
    /// known and the answer may lack it.
    ///
    /// # Errors
    /// What an ingester failed with that a query must not pass over: above all that the view is stale.
    pub(super) fn known_spans(&self) -> Result<Arc<[TimeRange]>, StoreError> {
        let mut known = self.known_spans.lock();
        if let Some(known) = &*known {
            return Ok(Arc::clone(known));
        }
        let spans: Arc<[TimeRange]> = match self.asked_spans() {
            Ok(spans) => spans.into(),
            Err(error) => {
                self.pinned.coverage.failed("ingesters", error)?;
                [TimeRange::ALL].into()
            }
        };
        Ok(Arc::clone(known.insert(spans)))
    }

    /// The times of what ingesters hold beside the pinned view. None where that is not known: what is wrong, an
    /// evaluation finds out. Blocks, as the engine does that this is a source of.
    pub(crate) fn spans(&self) -> Option<Vec<TimeRange>> {
        self.asked_spans().ok()
    }

    fn asked_spans(&self) -> Result<Vec<TimeRange>, StoreError> {
        // Stores may need the turn.
        self.control.rest();
        self.runtime.block_on(async {
            tokio::select! {
                biased;
                () = self.canceled.cancelled() => Err(StoreError::new(ErrorKind::Canceled, "query was canceled")),
                () = tokio::time::sleep(self.control.remaining()) => {
                    Err(StoreError::new(ErrorKind::Timeout, "query timed out while ingesters were asked"))
                }
                spans = self.fanout.spans(&self.pinned) => spans,
            }
        })
    }
}
