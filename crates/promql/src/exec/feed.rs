//! Series of one selection, one after another, from the query's source.

use latewood_model::{Resolution, SeriesSamples, TimeRange};

use super::reach::Reach;
use super::selections::SelectionReader;
use super::{Env, Grid};
use crate::functions::STARTED;
use crate::plan::Scan;
use crate::{QueryError, Reservation, Select};

/// Series of one selection. Opens the selection at the first pull.
pub(crate) struct SeriesFeed {
    env: Env,
    reader: SelectionReader,
    without_buckets: bool,
    batch: std::vec::IntoIter<SeriesSamples>,
    held: Option<Reservation>,
}

impl SeriesFeed {
    /// What a scan needs so that at every step of the grid the samples of `(time - window, time]` are there.
    pub(crate) fn new(env: &Env, scan: &Scan, grid: Grid, window_ms: Option<i64>) -> Self {
        let reads_starts = scan.function.as_deref().is_some_and(|name| STARTED.contains(&name));
        let reach = window_ms.map(|_| Reach::of_range(scan, env.lookback_ms)).unwrap_or_default();
        let depth = window_ms.unwrap_or(env.lookback_ms).saturating_add(reach.before_ms);
        let first = scan.at.unwrap_or(grid.start()).saturating_sub(scan.offset_ms);
        let last = scan.at.unwrap_or(grid.last()).saturating_sub(scan.offset_ms);
        let select = Select {
            matchers: scan.matchers.clone(),
            range: TimeRange::new(
                first.saturating_sub(depth).saturating_add(1),
                last.saturating_add(reach.after_ms),
            ),
            step_ms: if grid.len() > 1 { grid.step() } else { env.step_ms },
            window_ms: window_ms.unwrap_or(0),
            starts: env.use_start_timestamps && reads_starts,
            newest_only: window_ms.is_none() && first == last,
            function: scan.function.clone(),
        };
        let (reader, batch) = (env.selections.reader(select), Vec::new().into_iter());
        Self { env: env.clone(), reader, without_buckets: scan.stats, batch, held: None }
    }

    /// Whether start timestamps are looked at.
    pub(crate) fn reads_starts(&self) -> bool {
        self.reader.select().starts
    }

    /// The next series; `None` at the end.
    pub(crate) fn next(&mut self) -> Result<Option<SeriesSamples>, QueryError> {
        loop {
            self.env.control.check()?;
            if let Some(mut series) = self.batch.next() {
                if self.without_buckets {
                    super::stats::without_buckets(&mut series.histograms);
                }
                return Ok(Some(series));
            }
            self.held = None;
            if !self.pull()? {
                return Ok(None);
            }
        }
    }

    fn pull(&mut self) -> Result<bool, QueryError> {
        self.env.reads_at(Resolution::Raw);
        let Some(batch) = self.reader.next(&self.env)? else { return Ok(false) };
        let samples: usize = batch.iter().map(|series| series.values.len() + series.histograms.len()).sum();
        let histograms = batch.iter().flat_map(|series| &series.histograms);
        // Twice: the float form that is computed with comes beside the stored one.
        let beside: usize = histograms.map(|sample| 2 * sample.histogram.heap_size()).sum();
        // A start timestamp may take a run, and comes as a column of its own.
        let each = if self.reads_starts() { 40 } else { 16 };
        self.held = Some(self.env.control.reserve(samples as u64 * each + beside as u64)?);
        self.batch = batch.into_iter();
        Ok(true)
    }
}
