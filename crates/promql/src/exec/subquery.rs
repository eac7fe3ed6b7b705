//! Subqueries: rows on a grid of their own, read as samples.

use std::sync::Arc;

use super::pace::Pace;
use super::row::is_histogram;
use super::starts::SeriesStarts;
use super::tile::{Tile, is_present};
use super::windows::WindowSeries;
use super::{BoxOperator, Env, Grid, build};
use crate::plan::WindowInput;
use crate::{Control, HistogramPoint, QueryError};

/// The series of a subquery, each row's values as samples.
pub(super) struct SubqueryFeed {
    control: Control,
    source: Option<(BoxOperator, Grid)>,
    tile: Option<(Tile, usize)>,
}

impl SubqueryFeed {
    /// Serves windows at the steps of `grid`; `env` is that of what is evaluated.
    pub(super) fn new(env: &Env, grid: Grid, input: &WindowInput) -> Result<Self, QueryError> {
        let WindowInput::Subquery { input, range_ms, step_ms, offset_ms, at } = input else {
            return Err(QueryError::execution("expected a subquery"));
        };
        let inner = grid.subquery(*at, *offset_ms, *range_ms, *step_ms)?;
        let source = inner.map(|inner| build(input, inner, env).map(|operator| (operator, inner)));
        Ok(Self { control: env.control.clone(), source: source.transpose()?, tile: None })
    }

    pub(super) fn next(&mut self) -> Result<Option<WindowSeries>, QueryError> {
        let Some((operator, grid)) = &mut self.source else {
            return Ok(None);
        };
        loop {
            if let Some((tile, row)) = &mut self.tile
                && *row < tile.len()
            {
                let series = read(tile, *row, *grid, &self.control)?;
                *row += 1;
                return Ok(Some(series));
            }
            self.tile = None;
            match operator.next()? {
                Some(tile) => self.tile = Some((tile, 0)),
                None => return Ok(None),
            }
        }
    }
}

fn read(tile: &Tile, row: usize, grid: Grid, control: &Control) -> Result<WindowSeries, QueryError> {
    let row = tile.row(row);
    let (mut timestamps, mut values, mut pace) = (Vec::new(), Vec::new(), Pace::new(control));
    for (time, &value) in grid.times().zip(row.values) {
        pace.did(1)?;
        if is_present(value) && !is_histogram(value) {
            timestamps.push(time);
            values.push(value);
        }
    }
    // Hints are about the sample before in storage, which need not be the one before here.
    let histograms = grid.times().enumerate().filter(|_| row.has_histograms());
    let histograms = histograms.filter_map(|(step, timestamp)| {
        Some(HistogramPoint { timestamp, histogram: Arc::clone(row.histogram(step)?).without_hint() })
    });
    let histograms = histograms.collect();
    let (labels, starts) = (row.labels.clone(), SeriesStarts::default());
    let (timestamps, drops_name) = (timestamps.into(), row.drops_name);
    Ok(WindowSeries { labels, timestamps, values, rises: false, starts, histograms, drops_name })
}
