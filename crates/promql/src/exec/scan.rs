//! Instant selectors: at each step the newest sample of `(time - lookback, time]`, unless it is a stale marker.

use latewood_model::{HistogramSample, SeriesSamples, is_stale};

use super::matching::drop_reserved;
use super::merge::Merger;
use super::row::RowMut;
use super::tile::{Tile, computed};
use super::{Env, Grid, Operator, SeriesFeed};
use crate::plan::{Reading, Scan};
use crate::{QueryError, SampleValue};

/// See the module.
pub(super) struct ScanOperator {
    env: Env,
    grid: Grid,
    scan: Scan,
    reading: Reading,
    feed: SeriesFeed,
}

impl ScanOperator {
    pub(super) fn new(env: &Env, grid: Grid, scan: &Scan, reading: Reading) -> Self {
        Self {
            env: env.clone(),
            grid,
            scan: scan.clone(),
            reading,
            feed: SeriesFeed::new(env, scan, grid, None),
        }
    }

    /// Fills a row; how many values it has.
    fn fill(&self, series: &SeriesSamples, row: &mut [f64]) -> usize {
        let (mut newest, mut filled) = (0, 0);
        for (step, value) in row.iter_mut().enumerate() {
            let time = self.scan.at.unwrap_or_else(|| self.grid.time(step));
            let time = time.saturating_sub(self.scan.offset_ms);
            let passed = series.timestamps.iter().skip(newest);
            newest += passed.take_while(|&&sampled| sampled <= time).count();
            let Some(index) = newest.checked_sub(1) else {
                continue;
            };
            let Some((&sampled, &sample)) = series.timestamps.get(index).zip(series.values.get(index)) else {
                continue;
            };
            if sampled > time.saturating_sub(self.env.lookback_ms) && !is_stale(sample) {
                *value = match self.reading {
                    Reading::Value => computed(sample),
                    Reading::Time => sampled as f64 / 1000.0,
                };
                filled += 1;
            }
        }
        filled
    }

    /// Fills a row of a series with histograms; how many values it has.
    fn fill_mixed(&self, series: &SeriesSamples, row: &mut RowMut<'_>) -> usize {
        let floats = self.fill(series, row.values);
        let (mut newest, mut filled) = (0, floats);
        let mut converted: Option<(usize, SampleValue)> = None;
        for step in 0..self.grid.len() {
            let time = self.scan.at.unwrap_or_else(|| self.grid.time(step));
            let time = time.saturating_sub(self.scan.offset_ms);
            let passed = series.histograms.iter().skip(newest);
            newest += passed.take_while(|sample| sample.timestamp <= time).count();
            let Some(index) = newest.checked_sub(1) else { continue };
            let Some(HistogramSample { timestamp, histogram, .. }) = series.histograms.get(index) else {
                continue;
            };
            let later_float = series.timestamps.partition_point(|sampled| *sampled <= time);
            let float_is_newer = later_float > 0 && series.timestamps[later_float - 1] > *timestamp;
            if float_is_newer {
                continue;
            }
            let had_float = super::is_present(row.values[step]);
            let live = *timestamp > time.saturating_sub(self.env.lookback_ms) && !histogram.is_stale();
            let value = live.then(|| match (&self.reading, &converted) {
                (Reading::Time, _) => SampleValue::Float(*timestamp as f64 / 1000.0),
                (Reading::Value, Some((same, value))) if *same == index => value.clone(),
                (Reading::Value, _) => SampleValue::Histogram(histogram.to_float()),
            });
            filled = filled + usize::from(live) - usize::from(had_float);
            if let Some(value) = &value {
                converted = Some((index, value.clone()));
            }
            row.set(step, value);
        }
        filled
    }

    fn next_tile(&mut self) -> Result<Option<Tile>, QueryError> {
        let mut tile = Tile::new(&self.env.control, self.grid.len())?;
        while !tile.is_full() {
            let Some(series) = self.feed.next()? else { break };
            let labels = match self.reading {
                Reading::Value => series.labels.clone(),
                Reading::Time => drop_reserved(&series.labels),
            };
            let filled = if series.histograms.is_empty() {
                self.fill(&series, tile.push(labels)?)
            } else {
                tile.push(labels)?;
                let mut row = tile.row_mut(tile.len() - 1);
                let filled = self.fill_mixed(&series, &mut row);
                let grown = row.take_grown();
                tile.book(grown)?;
                filled
            };
            match filled {
                0 => tile.pop(),
                filled => {
                    self.env.control.count_evaluated(filled as u64);
                    tile.count_samples(filled)?;
                }
            }
        }
        Ok(tile.non_empty())
    }
}

impl Operator for ScanOperator {
    fn next(&mut self) -> Result<Option<Tile>, QueryError> {
        self.next_tile()
    }
}

/// The times of samples: names are dropped, so series may coincide.
pub(super) struct SampleTimes {
    input: ScanOperator,
    merger: Option<Merger>,
}

impl SampleTimes {
    pub(super) fn new(env: &Env, input: ScanOperator) -> Result<Self, QueryError> {
        let merger = Some(Merger::new(&env.control, input.grid.len(), false)?);
        Ok(Self { input, merger })
    }
}

impl Operator for SampleTimes {
    fn next(&mut self) -> Result<Option<Tile>, QueryError> {
        let Some(mut merger) = self.merger.take() else {
            return Ok(None);
        };
        while let Some(tile) = self.input.next_tile()? {
            merger.add_tile(&tile)?;
        }
        Ok(merger.finish().non_empty())
    }
}
