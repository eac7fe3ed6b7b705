//! Series of several sources, joined by their labels.

use std::iter::Peekable;
use std::vec::IntoIter;

use latewood_model::{Labels, storage_order};
use latewood_promql::SourceError;
use latewood_proto::store::{BatchBounds, JoinRuns, StoredSeries};

/// Series in storage order, each once, batch after batch.
pub(super) trait Batches {
    /// What comes.
    type Series: StoredSeries;

    /// The next series; there may be none in a batch. `None` at the end. Blocks.
    fn next_batch(&mut self) -> Result<Option<Vec<Self::Series>>, SourceError>;
}

/// The series of all sources in storage order, each once. At most one batch of each source and one of these is held.
pub(super) struct Joined<B: Batches> {
    sources: Vec<Source<B>>,
    joiner: <B::Series as StoredSeries>::Joiner,
}

struct Source<B: Batches> {
    from: B,
    batch: Peekable<IntoIter<B::Series>>,
}

impl<B: Batches> Source<B> {
    /// The labels of the next series; `None` at the end.
    fn peek(&mut self) -> Result<Option<&Labels>, SourceError> {
        while self.batch.peek().is_none() {
            let Some(batch) = self.from.next_batch()? else { return Ok(None) };
            self.batch = batch.into_iter().peekable();
        }
        Ok(self.batch.peek().map(StoredSeries::labels))
    }
}

impl<B: Batches> Joined<B> {
    /// Of sources whose times follow each other.
    pub(super) fn new(sources: impl IntoIterator<Item = B>) -> Self {
        let source = |from| Source { from, batch: Vec::new().into_iter().peekable() };
        let joiner = <B::Series as StoredSeries>::Joiner::default();
        Self { sources: sources.into_iter().map(source).collect(), joiner }
    }

    /// The sources.
    pub(super) fn sources(&self) -> impl Iterator<Item = &B> {
        self.sources.iter().map(|source| &source.from)
    }

    fn next_series(&mut self) -> Result<Option<B::Series>, SourceError> {
        let mut first: Option<Labels> = None;
        for source in &mut self.sources {
            let Some(labels) = source.peek()? else { continue };
            if first.as_ref().is_none_or(|first| storage_order(labels, first).is_lt()) {
                first = Some(labels.clone());
            }
        }
        let Some(first) = first else { return Ok(None) };
        let is_it = |series: &B::Series| *series.labels() == first;
        let runs = self.sources.iter_mut().filter_map(|source| source.batch.next_if(is_it));
        Ok(self.joiner.join(runs.collect()))
    }

    /// The next series; `None` at the end.
    pub(super) fn joined_batch(&mut self) -> Result<Option<Vec<B::Series>>, SourceError> {
        let bounds = BatchBounds::default();
        let (mut batch, mut weight) = (Vec::new(), 0);
        while batch.len() < bounds.series && weight < bounds.samples {
            let Some(series) = self.next_series()? else { break };
            weight += series.weight();
            batch.push(series);
        }
        Ok((!batch.is_empty()).then_some(batch))
    }
}
