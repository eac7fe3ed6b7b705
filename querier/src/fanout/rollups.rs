//! Windows out of rollups, and out of samples where rollups do not have them.

use std::collections::BTreeSet;
use std::iter::Peekable;
use std::sync::Arc;
use std::vec::IntoIter;

use futures::StreamExt;
use latewood_model::{
    Labels, Matcher, Resolution, RollupColumns, RollupWindows, SeriesRollups, SeriesSamples, TimeRange,
    storage_order,
};
use latewood_promql::{Control, RollupCursor, RollupSelect, Select, SeriesCursor, SourceError};
use latewood_proto::store::{BatchBounds, StoreError};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::fetching::{Handed, fill};
use super::source::Cursor;
use super::{Coverage, Fanout, FanoutSource, Pinned};
use crate::resolutions::Piece;

impl FanoutSource {
    /// A cursor over windows.
    pub(super) fn windows(&self, select: &RollupSelect) -> Result<WindowCursor, StoreError> {
        let heads = self.known_spans()?;
        let pieces = self.pinned.held.pieces(select.range, select.resolution, &heads);
        let sources = pieces.into_iter().map(|piece| self.source_of(piece, select));
        Ok(WindowCursor {
            sources: sources.collect(),
            columns: select.columns,
            control: self.control.clone(),
            coverage: Arc::clone(&self.pinned.coverage),
        })
    }

    fn source_of(&self, piece: Piece, select: &RollupSelect) -> Source {
        let windows = RollupWindows::of(select.resolution);
        let is_as_asked = piece.resolution == select.resolution;
        let feed = match piece.resolution {
            Resolution::Raw => Feed::Samples(Box::new(self.samples(&Select {
                matchers: select.matchers.clone(),
                range: piece.times,
                step_ms: 0,
                window_ms: 0,
                starts: false,
                newest_only: false,
                function: None,
            }))),
            resolution => {
                let (sender, receiver) = mpsc::channel(self.batches_ahead);
                let fetch = Fetch {
                    fanout: Arc::clone(&self.fanout),
                    pinned: self.pinned.clone(),
                    matchers: select.matchers.clone(),
                    ends: piece.times,
                    resolution,
                    columns: if is_as_asked { select.columns } else { RollupColumns::ALL },
                    control: self.control.clone(),
                    canceled: self.canceled.clone(),
                };
                self.runtime.spawn(fetch.run(sender));
                Feed::Windows(receiver)
            }
        };
        Source {
            feed,
            ends: piece.times,
            folded: windows.filter(|_| !is_as_asked),
            batch: Vec::new().into_iter().peekable(),
        }
    }
}

/// Fetches the windows of one resolution.
struct Fetch {
    fanout: Arc<Fanout>,
    pinned: Pinned,
    matchers: Vec<Matcher>,
    ends: TimeRange,
    resolution: Resolution,
    columns: RollupColumns,
    control: Control,
    canceled: CancellationToken,
}

impl Fetch {
    async fn run(self, sender: mpsc::Sender<Handed<Vec<SeriesRollups>>>) {
        fill(&sender, (&self.control, &self.canceled), self.fetch(&sender)).await;
    }

    async fn fetch(&self, sender: &mpsc::Sender<Handed<Vec<SeriesRollups>>>) -> Result<(), StoreError> {
        let wanted = (self.resolution, self.columns);
        let selected = self.fanout.select_rollups(&self.pinned, &self.matchers, self.ends, wanted);
        let mut series = selected.await?;
        while let Some(batch) = series.next().await {
            if sender.send(Ok(batch?)).await.is_err() {
                break;
            }
        }
        Ok(())
    }
}

/// Where the windows of some times come from.
enum Feed {
    Windows(mpsc::Receiver<Handed<Vec<SeriesRollups>>>),
    Samples(Box<Cursor>),
}

/// Series with the windows of some times, in storage order.
struct Source {
    feed: Feed,
    /// Where the windows end.
    ends: TimeRange,
    /// The windows into which what comes is folded, if it is not of those already.
    folded: Option<RollupWindows>,
    batch: Peekable<IntoIter<SeriesRollups>>,
}

impl Source {
    /// The labels of the next series; `None` at the end.
    fn peek(&mut self, control: &Control) -> Result<Option<&Labels>, SourceError> {
        while self.batch.peek().is_none() {
            // Stores may need the turn that folding has taken.
            control.rest();
            let Some(batch) = self.next_batch(control)? else { return Ok(None) };
            self.batch = batch.into_iter().peekable();
        }
        Ok(self.batch.peek().map(|series| &series.labels))
    }

    fn next_batch(&mut self, control: &Control) -> Result<Option<Vec<SeriesRollups>>, SourceError> {
        let (folded, ends) = (self.folded, self.ends);
        Ok(match &mut self.feed {
            Feed::Samples(cursor) => {
                let Some(batch) = cursor.next_batch()? else { return Ok(None) };
                let samples = batch.iter().map(SeriesSamples::weight).sum::<usize>() as u64;
                let _held = control.reserve(16 * samples).map_err(|error| SourceError(Arc::new(error)))?;
                // The windows are counted where they are read.
                control.count_read(0, samples);
                let windows = batch.iter().filter_map(|series| Some(SeriesRollups::of(series, folded?)));
                Some(windows.map(|series| series.within(ends)).collect())
            }
            Feed::Windows(receiver) => {
                let batch = receiver.blocking_recv().transpose();
                let batch = batch.map_err(|error| SourceError(Arc::new(error)))?;
                let fold = |series: SeriesRollups| match folded {
                    Some(windows) => series.coarsened(windows),
                    None => series,
                };
                batch.map(|batch| batch.into_iter().map(fold).collect())
            }
        })
    }
}

/// Series with all their windows. Dropping it ends the tasks and, with them, the stores' work.
pub(super) struct WindowCursor {
    sources: Vec<Source>,
    columns: RollupColumns,
    control: Control,
    coverage: Arc<Coverage>,
}

impl WindowCursor {
    fn next_series(&mut self) -> Result<Option<SeriesRollups>, SourceError> {
        let mut first: Option<Labels> = None;
        for source in &mut self.sources {
            let Some(labels) = source.peek(&self.control)? else { continue };
            if first.as_ref().is_none_or(|first| storage_order(labels, first).is_lt()) {
                first = Some(labels.clone());
            }
        }
        let Some(first) = first else { return Ok(None) };
        let is_it = |series: &SeriesRollups| series.labels == first;
        let runs = self.sources.iter_mut().filter_map(|source| source.batch.next_if(is_it));
        let runs = runs.map(|run| run.with_only(self.columns)).collect();
        Ok(SeriesRollups::joined(runs))
    }
}

impl RollupCursor for WindowCursor {
    fn next_batch(&mut self) -> Result<Option<Vec<SeriesRollups>>, SourceError> {
        self.control.check().map_err(|error| SourceError(Arc::new(error)))?;
        let bounds = BatchBounds::default();
        let (mut batch, mut weight) = (Vec::new(), 0);
        while batch.len() < bounds.series && weight < bounds.samples {
            let Some(series) = self.next_series()? else { break };
            weight += series.weight();
            if !series.is_empty() {
                batch.push(series);
            }
        }
        Ok((!batch.is_empty()).then_some(batch))
    }

    fn warnings(&self) -> Vec<String> {
        let of_samples = |source: &Source| match &source.feed {
            Feed::Samples(cursor) => cursor.warnings(),
            Feed::Windows(_) => Vec::new(),
        };
        let all = self.coverage.warnings().into_iter().chain(self.sources.iter().flat_map(of_samples));
        all.collect::<BTreeSet<String>>().into_iter().collect()
    }
}
