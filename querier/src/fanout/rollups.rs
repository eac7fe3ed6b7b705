//! Windows out of rollups, and out of samples where rollups do not have them.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::StreamExt;
use latewood_model::{
    Matcher, Resolution, RollupColumns, RollupWindows, SeriesRollups, SeriesSamples, TimeRange,
};
use latewood_promql::{Control, RollupCursor, RollupSelect, Select, SeriesCursor, SourceError};
use latewood_proto::store::StoreError;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::fetching::{Handed, fill};
use super::joined::{Batches, Joined};
use super::{Coverage, Fanout, FanoutSource, Pinned};
use crate::resolutions::Piece;

impl FanoutSource {
    /// A cursor over windows.
    pub(super) fn windows(&self, select: &RollupSelect) -> Result<WindowCursor, StoreError> {
        let heads = self.known_spans()?;
        let wanted = (select.range, select.resolution);
        let pieces = self.pinned.held.pieces(wanted, self.asked(&select.matchers), &heads);
        let sources = pieces.into_iter().map(|piece| self.source_of(piece, select));
        Ok(WindowCursor {
            sources: Joined::new(sources),
            control: self.control.clone(),
            coverage: Arc::clone(&self.pinned.coverage),
        })
    }

    fn source_of(&self, piece: Piece, select: &RollupSelect) -> Source {
        let windows = RollupWindows::of(select.resolution);
        let is_as_asked = piece.resolution == select.resolution;
        let feed = match piece.resolution {
            Resolution::Raw => Feed::Samples(self.samples(&Select {
                matchers: select.matchers.clone(),
                range: piece.times,
                step_ms: 0,
                window_ms: 0,
                starts: false,
                newest_only: false,
                function: None,
            })),
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
            columns: select.columns,
            control: self.control.clone(),
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
    Samples(Box<dyn SeriesCursor>),
}

/// Series with the windows of some times, in storage order.
struct Source {
    feed: Feed,
    /// Where the windows end.
    ends: TimeRange,
    /// The windows into which what comes is folded, if it is not of those already.
    folded: Option<RollupWindows>,
    /// The figures that are wanted.
    columns: RollupColumns,
    control: Control,
}

impl Batches for Source {
    type Series = SeriesRollups;

    fn next_batch(&mut self) -> Result<Option<Vec<SeriesRollups>>, SourceError> {
        let (folded, ends, control) = (self.folded, self.ends, &self.control);
        // Stores may need the turn that folding has taken.
        control.rest();
        let batch: Option<Vec<SeriesRollups>> = match &mut self.feed {
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
        };
        let only = |series: SeriesRollups| series.with_only(self.columns);
        let are_wanted = |series: &SeriesRollups| !series.is_empty();
        Ok(batch.map(|batch| batch.into_iter().filter(are_wanted).map(only).collect()))
    }
}

/// Series with all their windows. Dropping it ends the tasks and, with them, the stores' work.
pub(super) struct WindowCursor {
    sources: Joined<Source>,
    control: Control,
    coverage: Arc<Coverage>,
}

impl RollupCursor for WindowCursor {
    fn next_batch(&mut self) -> Result<Option<Vec<SeriesRollups>>, SourceError> {
        self.control.check().map_err(|error| SourceError(Arc::new(error)))?;
        self.sources.joined_batch()
    }

    fn warnings(&self) -> Vec<String> {
        let of_samples = |source: &Source| match &source.feed {
            Feed::Samples(cursor) => cursor.warnings(),
            Feed::Windows(_) => Vec::new(),
        };
        let all = self.coverage.warnings().into_iter().chain(self.sources.sources().flat_map(of_samples));
        all.collect::<BTreeSet<String>>().into_iter().collect()
    }
}
