//! The engine's door to the stores: a blocking cursor over a bounded channel that a task fills.

use std::sync::Arc;

use futures::StreamExt;
use latewood_base::ErrorKind;
use latewood_model::SeriesSamples;
use latewood_promql::{Control, Select, SeriesCursor, SeriesSource, SourceError};
use latewood_proto::store::{Detail, StoreError};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{Coverage, Fanout, Pinned, Wanted};

type Batch = Result<Vec<SeriesSamples>, StoreError>;

/// The series of one attempt at a query.
pub(crate) struct FanoutSource {
    pub(crate) fanout: Arc<Fanout>,
    pub(crate) pinned: Pinned,
    /// Where fetching runs; the engine itself runs off it.
    pub(crate) runtime: Handle,
    /// For the deadline.
    pub(crate) control: Control,
    /// Given when the caller went away.
    pub(crate) canceled: CancellationToken,
    /// Batches fetched ahead of the engine.
    pub(crate) batches_ahead: usize,
}

impl SeriesSource for FanoutSource {
    fn select(&self, select: &Select) -> Result<Box<dyn SeriesCursor>, SourceError> {
        let (sender, receiver) = mpsc::channel(self.batches_ahead);
        let fetch = Fetch {
            fanout: Arc::clone(&self.fanout),
            pinned: self.pinned.clone(),
            select: select.clone(),
            control: self.control.clone(),
            canceled: self.canceled.clone(),
        };
        self.runtime.spawn(fetch.run(sender));
        Ok(Box::new(Cursor { receiver, coverage: Arc::clone(&self.pinned.coverage) }))
    }
}

/// Fills a cursor's channel until the end, an error, the deadline, or until nobody wants it any more.
struct Fetch {
    fanout: Arc<Fanout>,
    pinned: Pinned,
    select: Select,
    control: Control,
    canceled: CancellationToken,
}

impl Fetch {
    async fn run(self, sender: mpsc::Sender<Batch>) {
        let stop = |kind, text: &str| Some(StoreError::new(kind, text));
        let failure = tokio::select! {
            biased;
            () = sender.closed() => None,
            () = self.canceled.cancelled() => stop(ErrorKind::Canceled, "query was canceled while series were fetched"),
            () = tokio::time::sleep(self.control.remaining()) => {
                stop(ErrorKind::Timeout, "query timed out while series were fetched")
            }
            fetched = self.fetch(&sender) => fetched.err(),
        };
        if let Some(error) = failure {
            // Fails only when the cursor is gone.
            let _ = sender.send(Err(error)).await;
        }
    }

    async fn fetch(&self, sender: &mpsc::Sender<Batch>) -> Result<(), StoreError> {
        let Select { matchers, range, starts, newest_only, .. } = &self.select;
        let detail = if *newest_only { Detail::Newest } else { Detail::Samples };
        let wanted = Wanted { detail, starts: *starts, limit: 0 };
        let selected = self.fanout.select(&self.pinned, matchers, *range, wanted);
        let mut series = selected.await?;
        while let Some(batch) = series.next().await {
            if sender.send(Ok(batch?)).await.is_err() {
                break;
            }
        }
        Ok(())
    }
}

/// Dropping it ends the task and, with it, the stores' work.
struct Cursor {
    receiver: mpsc::Receiver<Batch>,
    coverage: Arc<Coverage>,
}

impl SeriesCursor for Cursor {
    fn next_batch(&mut self) -> Result<Option<Vec<SeriesSamples>>, SourceError> {
        let batch = self.receiver.blocking_recv().transpose();
        batch.map_err(|error| SourceError(Arc::new(error)))
    }

    fn warnings(&self) -> Vec<String> {
        self.coverage.warnings()
    }
}
