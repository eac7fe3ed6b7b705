//! Joins sorted streams of series into one: the k-way merge of store-gateways (over blocks) and queriers
//! (over stores).
//!
//! Invariants: the output is in storage order and has each series once, joined by its kind's [`JoinRuns`]: samples of
//! one time are decided by the tie rule; at most one batch of each source and one of the output are held.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;

use futures::future::join_all;
use futures::stream::{self, BoxStream, StreamExt};
use latewood_base::ErrorKind;
use latewood_model::{SeriesSamples, storage_order};

use super::{JoinRuns, StoreError, StoredSeries};

/// Batches of series in storage order, ending at the first error. Dropping it cancels the work behind it.
pub type SeriesStream<S = SeriesSamples> = BoxStream<'static, Result<Vec<S>, StoreError>>;

/// How large the batches of a merge are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchBounds {
    /// A batch ends with this many series.
    pub series: usize,
    /// A batch ends with the series that brings it to this many samples; a histogram counts for as many
    /// floats as take its memory.
    pub samples: usize,
}

impl Default for BatchBounds {
    /// Small enough to be put together within a millisecond and to be held for each of many sources, large
    /// enough to be worth a message and a change of threads.
    fn default() -> Self {
        Self { series: 512, samples: 65_536 }
    }
}

/// Lets a stream work ahead by one batch in a task of its own. Dropping the result ends the task.
#[must_use]
pub fn work_ahead<S: StoredSeries>(mut source: SeriesStream<S>) -> SeriesStream<S> {
    let (sender, receiver) = tokio::sync::mpsc::channel(1);
    tokio::spawn(async move {
        loop {
            let next = tokio::select! {
                biased;
                () = sender.closed() => return,
                next = source.next() => next,
            };
            let Some(batch) = next else { return };
            if sender.send(batch).await.is_err() {
                return;
            }
        }
    });
    tokio_stream::wrappers::ReceiverStream::new(receiver).boxed()
}

/// Joins streams in storage order, series of equal labels as [`StoredSeries::Joiner`] does: samples by the tie rule. A
/// source that fails, or whose series are out of order, ends the stream with its error.
#[must_use]
pub fn merge_series<S: StoredSeries>(sources: Vec<SeriesStream<S>>, bounds: BatchBounds) -> SeriesStream<S> {
    let merge = Merge::new(sources, bounds);
    let step = |state: Option<Merge<S>>| async move {
        let mut merge = state?;
        match merge.next_batch().await {
            Ok(batch) if batch.is_empty() => None,
            Ok(batch) => Some((Ok(batch), Some(merge))),
            Err(error) => Some((Err(error), None)),
        }
    };
    stream::unfold(Some(merge), step).boxed()
}

/// Joins streams as [`merge_series`] does, each working ahead in a task of its own. A single one is handed
/// on as it is.
#[must_use]
pub fn merge_ahead<S: StoredSeries>(mut sources: Vec<SeriesStream<S>>) -> SeriesStream<S> {
    match sources.len() {
        0 | 1 => sources.pop().unwrap_or_else(|| stream::empty().boxed()),
        _ => merge_series(sources.into_iter().map(work_ahead).collect(), BatchBounds::default()),
    }
}

struct Source<S> {
    stream: SeriesStream<S>,
    batch: std::vec::IntoIter<S>,
}

impl<S: StoredSeries> Source<S> {
    async fn next(&mut self) -> Result<Option<S>, StoreError> {
        loop {
            if let Some(series) = self.batch.next() {
                return Ok(Some(series));
            }
            match self.stream.next().await {
                Some(batch) => self.batch = batch?.into_iter(),
                None => return Ok(None),
            }
        }
    }
}

/// The next series of a source; the heap's greatest is the first in storage order.
struct Head<S> {
    series: S,
    source: usize,
}

impl<S: StoredSeries> Ord for Head<S> {
    fn cmp(&self, other: &Self) -> Ordering {
        storage_order(other.series.labels(), self.series.labels()).then(other.source.cmp(&self.source))
    }
}

impl<S: StoredSeries> PartialOrd for Head<S> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<S: StoredSeries> PartialEq for Head<S> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl<S: StoredSeries> Eq for Head<S> {}

struct Merge<S: StoredSeries> {
    sources: Vec<Source<S>>,
    heads: BinaryHeap<Head<S>>,
    started: bool,
    bounds: BatchBounds,
    joiner: S::Joiner,
}

impl<S: StoredSeries> Merge<S> {
    fn new(sources: Vec<SeriesStream<S>>, bounds: BatchBounds) -> Self {
        let sources = sources.into_iter().map(|stream| Source { stream, batch: Vec::new().into_iter() });
        Self {
            sources: sources.collect(),
            heads: BinaryHeap::new(),
            started: false,
            bounds,
            joiner: S::Joiner::default(),
        }
    }

    /// The next series in storage order, up to the bounds; none at the end.
    async fn next_batch(&mut self) -> Result<Vec<S>, StoreError> {
        if !std::mem::replace(&mut self.started, true) {
            let firsts = join_all(self.sources.iter_mut().map(Source::next)).await;
            for (source, first) in firsts.into_iter().enumerate() {
                self.heads.extend(first?.map(|series| Head { series, source }));
            }
        }
        let (mut batch, mut samples) = (Vec::new(), 0);
        while batch.len() < self.bounds.series && samples < self.bounds.samples {
            let Some(series) = self.next_series().await? else {
                break;
            };
            samples += series.weight();
            batch.push(series);
        }
        Ok(batch)
    }

    async fn next_series(&mut self) -> Result<Option<S>, StoreError> {
        let Some(first) = self.pop().await? else {
            return Ok(None);
        };
        if !self.goes_on(&first) {
            return Ok(Some(first));
        }
        let mut runs = vec![first];
        while runs.first().is_some_and(|run| self.goes_on(run)) {
            runs.extend(self.pop().await?);
        }
        Ok(self.joiner.join(runs))
    }

    /// Whether another source has the same series.
    fn goes_on(&self, series: &S) -> bool {
        self.heads.peek().is_some_and(|head| head.series.labels() == series.labels())
    }

    /// Takes the first head and puts its source's next series in its place.
    async fn pop(&mut self) -> Result<Option<S>, StoreError> {
        let Some(source) = self.heads.peek().map(|head| head.source) else {
            return Ok(None);
        };
        let next = match self.sources.get_mut(source) {
            Some(from) => from.next().await?,
            None => None,
        };
        let Some(mut head) = self.heads.peek_mut() else {
            return Ok(None);
        };
        let Some(next) = next else {
            return Ok(Some(PeekMut::pop(head).series));
        };
        let (before, after) = (head.series.labels(), next.labels());
        if storage_order(before, after).is_gt() {
            let text = format!("a store's series are out of order: {after} after {before}");
            return Err(StoreError::new(ErrorKind::Corrupt, text));
        }
        Ok(Some(std::mem::replace(&mut head.series, next)))
    }
}

#[cfg(test)]
mod tests;
