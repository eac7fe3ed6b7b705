//! Instant selectors: at each step the newest sample of `(time - lookback, time]`, unless it is a stale marker.

use latewood_model::{HistogramSample, Labels, SeriesSamples};

use super::bounds::StepWindows;
use super::counts::size_in_samples;
use super::matching::drop_reserved;
use super::merge::Merger;
use super::pace::Pace;
use super::rollups::SeriesRows;
use super::row::{Row, RowMut};
use super::tile::{Tile, absent, computed, is_present};
use super::{Env, Grid, Operator, SeriesFeed};
use crate::plan::{Reading, Scan};
use crate::{QueryError, SampleValue};

/// See the module.
pub(super) struct ScanOperator {
    env: Env,
    steps: usize,
    windows: StepWindows,
    reading: Reading,
    feed: SeriesFeed,
    /// The series that was looked at.
    peeked: Option<SeriesSamples>,
}

impl ScanOperator {
    pub(super) fn new(env: &Env, grid: Grid, scan: &Scan, reading: Reading) -> Result<Self, QueryError> {
        let windows = StepWindows::new(&env.control, grid, env.lookback_ms, scan.offset_ms, scan.at)?;
        let feed = SeriesFeed::new(env, scan, grid, None);
        Ok(Self { env: env.clone(), steps: grid.len(), windows, reading, feed, peeked: None })
    }

    /// Fills a row; how many values it has.
    fn fill_floats(&mut self, series: &SeriesSamples, row: &mut [f64]) -> Result<usize, QueryError> {
        let mut filled = 0;
        let bounds = self.windows.of_shared(&series.timestamps)?;
        Pace::new(&self.env.control).did(row.len())?;
        for (value, &(low, high)) in row.iter_mut().zip(bounds.iter()) {
            let newest = if low < high { high - 1 } else { usize::MAX };
            let sample = series.values.get(newest).copied().unwrap_or_else(absent);
            // A stale marker is what says that there is no value.
            let is_there = is_present(sample);
            *value = if is_there { computed(sample) } else { sample };
            filled += usize::from(is_there);
        }
        if self.reading != Reading::Value {
            self.put_times(series, &bounds, row);
        }
        Ok(filled)
    }

    /// Puts times in the place of a row's values.
    fn put_times(&self, series: &SeriesSamples, bounds: &[(usize, usize)], row: &mut [f64]) {
        let present = row.iter_mut().zip(bounds).filter(|(value, _)| is_present(**value));
        for (value, &(_, high)) in present {
            let Some(&sampled) = series.timestamps.get(high - 1) else { continue };
            let is_start = self.reading == Reading::Start;
            *value = if is_start { series.starts.at(sampled) } else { sampled } as f64 / 1000.0;
        }
    }

    /// Counts the samples of a row.
    fn count(&self, row: Row<'_>, filled: usize) {
        let counts = &self.env.counts;
        let beyond = |step: usize| row.histogram(step).map_or(0, |histogram| size_in_samples(histogram) - 1);
        if counts.wants_steps() {
            let present = row.values.iter().enumerate().filter(|(_, value)| is_present(**value));
            present.for_each(|(step, _)| counts.add_at(step, 1 + beyond(step)));
        }
        let histograms = if row.has_histograms() { (0..self.steps).map(beyond).sum() } else { 0 };
        counts.add(filled as u64 + histograms);
    }

    /// Fills a row of a series with histograms; how many values it has.
    fn fill_mixed(&mut self, series: &SeriesSamples, row: &mut RowMut<'_>) -> Result<usize, QueryError> {
        let mut filled = self.fill_floats(series, row.values)?;
        let floats = self.windows.of_shared(&series.timestamps)?;
        let mut pace = Pace::new(&self.env.control);
        let times: Vec<_> = series.histograms.iter().map(|sample| sample.timestamp).collect();
        let mut converted: Option<(usize, SampleValue)> = None;
        for (step, &(low, high)) in self.windows.of(&times)?.iter().enumerate() {
            pace.did(1)?;
            let Some(HistogramSample { timestamp, histogram, start }) =
                series.histograms.get(low..high).and_then(<[_]>::last)
            else {
                continue;
            };
            let newest_float =
                floats.get(step).and_then(|&(low, high)| series.timestamps.get(low..high)?.last());
            if newest_float.is_some_and(|sampled| sampled > timestamp) {
                continue;
            }
            let had_float = is_present(row.values[step]);
            let value = (!histogram.is_stale()).then(|| match (&self.reading, &converted) {
                (Reading::Time, _) => SampleValue::Float(*timestamp as f64 / 1000.0),
                (Reading::Start, _) => SampleValue::Float(*start as f64 / 1000.0),
                (Reading::Value, Some((same, value))) if *same == high => value.clone(),
                (Reading::Value, _) => SampleValue::Histogram(histogram.to_float()),
            });
            filled = filled + usize::from(value.is_some()) - usize::from(had_float);
            if let Some(value) = &value {
                converted = Some((high, value.clone()));
            }
            row.set(step, value);
        }
        Ok(filled)
    }

    fn next_tile(&mut self) -> Result<Option<Tile>, QueryError> {
        if self.reading == Reading::Start && !self.feed.reads_starts() {
            return Ok(None);
        }
        let mut tile = Tile::new(&self.env.control, self.steps)?;
        while !tile.is_full() {
            let Some(series) = self.feed.next()? else { break };
            let labels = match self.reading {
                Reading::Time | Reading::Start if !self.env.delays_names => drop_reserved(&series.labels),
                Reading::Value | Reading::Time | Reading::Start => series.labels.clone(),
            };
            let filled = if series.histograms.is_empty() {
                self.fill_floats(&series, tile.push(labels)?)?
            } else {
                tile.push(labels)?;
                let mut row = tile.row_mut(tile.len() - 1);
                let filled = self.fill_mixed(&series, &mut row)?;
                let grown = row.take_grown();
                tile.book(grown)?;
                filled
            };
            match filled {
                0 => tile.pop(),
                filled => {
                    self.count(tile.row(tile.len() - 1), filled);
                    tile.count_samples(filled)?;
                }
            }
        }
        Ok(tile.non_empty())
    }
}

impl SeriesRows for ScanOperator {
    fn peek(&mut self) -> Result<Option<&Labels>, QueryError> {
        if self.peeked.is_none() {
            self.peeked = self.feed.next()?;
        }
        Ok(self.peeked.as_ref().map(|series| &series.labels))
    }

    fn fill(&mut self, row: &mut RowMut<'_>) -> Result<usize, QueryError> {
        let filled = match self.peeked.take() {
            None => return Ok(0),
            Some(series) if series.histograms.is_empty() => self.fill_floats(&series, row.values)?,
            Some(series) => self.fill_mixed(&series, row)?,
        };
        if filled > 0 {
            self.count(row.as_row(), filled);
        }
        Ok(filled)
    }
}

impl Operator for ScanOperator {
    fn next(&mut self) -> Result<Option<Tile>, QueryError> {
        self.next_tile()
    }
}

/// The times of samples, or their start timestamps: names are dropped, so series may coincide.
pub(super) struct SampleTimes {
    input: ScanOperator,
    merger: Option<Merger>,
}

impl SampleTimes {
    pub(super) fn new(env: &Env, input: ScanOperator) -> Result<Self, QueryError> {
        let merger = Some(Merger::new(&env.control, input.steps, false)?);
        Ok(Self { input, merger })
    }
}

impl Operator for SampleTimes {
    fn next(&mut self) -> Result<Option<Tile>, QueryError> {
        self.merger.take().map_or(Ok(None), |merger| merger.of_all(|| self.input.next_tile()))
    }
}
