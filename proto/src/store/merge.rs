//! Joins sorted streams of series into one: the k-way merge of store-gateways (over blocks) and queriers
//! (over stores).
//!
//! Invariants: the output is in storage order and has each series once; samples of one series at one time
//! are decided by the tie rule; at most one batch of each source and one of the output are held.

use std::cmp::Ordering;
use std::collections::binary_heap::PeekMut;
use std::collections::{BinaryHeap, HashMap};
use std::sync::Arc;

use futures::future::join_all;
use futures::stream::{self, BoxStream, StreamExt};
use latewood_base::ErrorKind;
use latewood_model::{
    SeriesSamples, StartTimestamps, TimestampMs, merge_histograms, preferred, preferred_started,
    storage_order,
};

use super::StoreError;

/// Batches of series in storage order, ending at the first error. Dropping it cancels the work behind it.
pub type SeriesStream = BoxStream<'static, Result<Vec<SeriesSamples>, StoreError>>;

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
pub fn work_ahead(mut source: SeriesStream) -> SeriesStream {
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

/// Joins streams in storage order, series of equal labels by the tie rule. A source that fails, or whose
/// series are out of order, ends the stream with its error.
#[must_use]
pub fn merge_series(sources: Vec<SeriesStream>, bounds: BatchBounds) -> SeriesStream {
    let merge = Merge::new(sources, bounds);
    let step = |state: Option<Merge>| async move {
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
pub fn merge_ahead(mut sources: Vec<SeriesStream>) -> SeriesStream {
    match sources.len() {
        0 | 1 => sources.pop().unwrap_or_else(|| stream::empty().boxed()),
        _ => merge_series(sources.into_iter().map(work_ahead).collect(), BatchBounds::default()),
    }
}

struct Source {
    stream: SeriesStream,
    batch: std::vec::IntoIter<SeriesSamples>,
}

impl Source {
    async fn next(&mut self) -> Result<Option<SeriesSamples>, StoreError> {
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
struct Head {
    series: SeriesSamples,
    source: usize,
}

impl Ord for Head {
    fn cmp(&self, other: &Self) -> Ordering {
        storage_order(&other.series.labels, &self.series.labels).then(other.source.cmp(&self.source))
    }
}

impl PartialOrd for Head {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Head {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Head {}

struct Merge {
    sources: Vec<Source>,
    heads: BinaryHeap<Head>,
    started: bool,
    bounds: BatchBounds,
    joiner: Joiner,
}

impl Merge {
    fn new(sources: Vec<SeriesStream>, bounds: BatchBounds) -> Self {
        let sources = sources.into_iter().map(|stream| Source { stream, batch: Vec::new().into_iter() });
        Self {
            sources: sources.collect(),
            heads: BinaryHeap::new(),
            started: false,
            bounds,
            joiner: Joiner::default(),
        }
    }

    /// The next series in storage order, up to the bounds; none at the end.
    async fn next_batch(&mut self) -> Result<Vec<SeriesSamples>, StoreError> {
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

    async fn next_series(&mut self) -> Result<Option<SeriesSamples>, StoreError> {
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
    fn goes_on(&self, series: &SeriesSamples) -> bool {
        self.heads.peek().is_some_and(|head| head.series.labels == series.labels)
    }

    /// Takes the first head and puts its source's next series in its place.
    async fn pop(&mut self) -> Result<Option<SeriesSamples>, StoreError> {
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
        if storage_order(&head.series.labels, &next.labels).is_gt() {
            let (before, after) = (&head.series.labels, &next.labels);
            let text = format!("a store's series are out of order: {after} after {before}");
            return Err(StoreError::new(ErrorKind::Corrupt, text));
        }
        Ok(Some(std::mem::replace(&mut head.series, next)))
    }
}

/// A vector of times as series share it.
type SharedTimes = Arc<[TimestampMs]>;

/// Vectors of times remembered, so that series that shared times still do after a join.
const MAX_REMEMBERED_TIMES: usize = 1024;

/// Times that these hold together: of 8 bytes each.
const MAX_HELD_TIMES: usize = 1 << 20;

/// Joins the runs of one series.
#[derive(Default)]
struct Joiner {
    /// Times that are held.
    held: usize,
    /// By the addresses of two vectors that follow each other: the two, which keeps the addresses taken,
    /// and both in one.
    joined: HashMap<(usize, usize), (SharedTimes, SharedTimes, SharedTimes)>,
}

impl Joiner {
    fn join(&mut self, mut runs: Vec<SeriesSamples>) -> Option<SeriesSamples> {
        runs.sort_by_key(|run| run.timestamps.first().copied().unwrap_or(i64::MAX));
        runs.into_iter().reduce(|joined, run| self.pair(joined, run))
    }

    fn pair(&mut self, mut a: SeriesSamples, mut b: SeriesSamples) -> SeriesSamples {
        let histograms = (std::mem::take(&mut a.histograms), std::mem::take(&mut b.histograms));
        let mut joined = self.floats(a, b);
        merge_histograms(histograms.0, histograms.1, &mut joined.histograms);
        joined.resolve_kinds();
        joined
    }

    /// Joins two runs without histograms.
    fn floats(&mut self, mut a: SeriesSamples, b: SeriesSamples) -> SeriesSamples {
        let follows = match (a.timestamps.last(), b.timestamps.first()) {
            (_, None) => return a,
            (None, _) => return b,
            (Some(last), Some(first)) => last < first,
        };
        if follows {
            b.timestamps.first().into_iter().for_each(|&first| a.starts.append(first, &b.starts));
            a.values.extend_from_slice(&b.values);
            a.timestamps = self.follow(a.timestamps, b.timestamps);
            return a;
        }
        let has_starts = !(a.starts.is_empty() && b.starts.is_empty());
        if !has_starts && (Arc::ptr_eq(&a.timestamps, &b.timestamps) || a.timestamps == b.timestamps) {
            for (value, other) in a.values.iter_mut().zip(&b.values) {
                *value = preferred(*value, *other);
            }
            return a;
        }
        interleave(&a, &b)
    }

    fn follow(&mut self, a: SharedTimes, b: SharedTimes) -> SharedTimes {
        let key = (a.as_ptr().addr(), b.as_ptr().addr());
        if let Some((known_a, known_b, both)) = self.joined.get(&key)
            && (known_a.len(), known_b.len()) == (a.len(), b.len())
        {
            return Arc::clone(both);
        }
        if self.joined.len() >= MAX_REMEMBERED_TIMES || self.held > MAX_HELD_TIMES {
            self.joined.clear();
            self.held = 0;
        }
        let both: SharedTimes = a.iter().chain(b.iter()).copied().collect();
        self.held += 2 * both.len();
        self.joined.insert(key, (a, b, Arc::clone(&both)));
        both
    }
}

/// Two runs that overlap in time.
fn interleave(a: &SeriesSamples, b: &SeriesSamples) -> SeriesSamples {
    let (mut left, mut right) = (a.samples().peekable(), b.samples().peekable());
    let most = a.values.len() + b.values.len();
    let (mut timestamps, mut values) = (Vec::with_capacity(most), Vec::with_capacity(most));
    let (mut starts, mut left_starts, mut right_starts) =
        (StartTimestamps::none(), a.starts.cursor(), b.starts.cursor());
    loop {
        let order = match (left.peek(), right.peek()) {
            (Some(x), Some(y)) => x.timestamp.cmp(&y.timestamp),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => break,
        };
        let from_left = if order.is_le() { left.next() } else { None };
        let from_right = if order.is_ge() { right.next() } else { None };
        let left = from_left.map(|x| (x.timestamp, (x.value, left_starts.at(x.timestamp))));
        let right = from_right.map(|y| (y.timestamp, (y.value, right_starts.at(y.timestamp))));
        let (timestamp, (value, start)) = match (left, right) {
            (Some((at, x)), Some((_, y))) => (at, preferred_started(x, y)),
            (Some(one), None) | (None, Some(one)) => one,
            (None, None) => break,
        };
        timestamps.push(timestamp);
        values.push(value);
        starts.push(timestamp, start);
    }
    let (labels, timestamps) = (a.labels.clone(), timestamps.into());
    SeriesSamples { labels, timestamps, values, starts, histograms: Vec::new() }
}

#[cfg(test)]
mod tests;
