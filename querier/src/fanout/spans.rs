//! The times of what ingesters hold beside a view.

use std::sync::Arc;

use latewood_base::ErrorKind;
use latewood_model::TimeRange;
use latewood_proto::store::{StoreError, wire};

use super::{Fanout, FanoutSource, Pinned};

impl Fanout {
    /// One span or more of each shard that holds anything which is in no block of the view.
    ///
    /// # Errors
    /// Of the first ingester that does not tell, of shards that nobody leads unless what is left of them may tell, or if too
    /// few ingesters are known.
    pub(super) async fn spans(
        &self,
        pinned: &Pinned,
        allow_stale: bool,
    ) -> Result<Vec<TimeRange>, StoreError> {
        // What is missing is told, also where an answer may lack it.
        let asking = self.asking(Arc::new(pinned.coverage.strict().with_stale(allow_stale)));
        let heads = self.heads(pinned, &asking).await?;
        let answers = asking.ask(heads, |store, view| {
            let tenant = pinned.tenant.to_string();
            async move { store.spans(wire::SpansRequest { tenant, view: Some(view) }).await }
        });
        let spans = answers.await?.into_iter().flat_map(|(_, answer)| answer.spans);
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
        let spans: Arc<[TimeRange]> = match self.asked_spans(self.pinned.coverage.allows_stale()) {
            Ok(spans) => spans.into(),
            Err(error) => {
                self.pinned.coverage.failed("ingesters", error)?;
                [TimeRange::ALL].into()
            }
        };
        Ok(Arc::clone(known.insert(spans)))
    }

    /// The times of what ingesters hold beside the pinned view. None where that is not known: what is wrong, an
    /// evaluation finds out. What may be stale is not known. Blocks, as the engine does that this is a source of.
    pub(crate) fn spans(&self) -> Option<Vec<TimeRange>> {
        self.asked_spans(false).ok()
    }

    fn asked_spans(&self, allow_stale: bool) -> Result<Vec<TimeRange>, StoreError> {
        // Stores may need the turn.
        self.control.rest();
        self.runtime.block_on(async {
            tokio::select! {
                biased;
                () = self.canceled.cancelled() => Err(StoreError::new(ErrorKind::Canceled, "query was canceled")),
                () = tokio::time::sleep(self.control.remaining()) => {
                    Err(StoreError::new(ErrorKind::Timeout, "query timed out while ingesters were asked"))
                }
                spans = self.fanout.spans(&self.pinned, allow_stale) => spans,
            }
        })
    }
}
