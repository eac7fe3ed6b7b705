//! `smoothed` instant selectors: at each step the value on the line between the samples around it, of
//! `(time - lookback, time + lookback]`. Where none follows yet, the last one stands. Stale markers are no samples.

use latewood_model::histogram::ResetHint;
use latewood_model::{FloatHistogram, Labels};

use super::tile::Tile;
use super::windows::{WindowFeed, WindowSeries, Windows, samples_of};
use super::{Env, Grid, Operator};
use crate::functions::{Window, extended, histograms};
use crate::plan::{Scan, WindowInput};
use crate::{HistogramPoint, Notice, QueryError, SampleValue};

/// See the module.
pub(super) struct SmoothOperator {
    env: Env,
    steps: usize,
    feed: WindowFeed,
    windows: Windows,
}

impl SmoothOperator {
    pub(super) fn new(env: &Env, grid: Grid, scan: &Scan) -> Result<Self, QueryError> {
        // A window without length at the step, which reaches as far as that of a smoothed range selector.
        let input = WindowInput::Samples { scan: scan.clone(), range_ms: 0, absent_labels: Labels::empty() };
        Ok(Self {
            env: env.clone(),
            steps: grid.len(),
            feed: WindowFeed::new(env, grid, &input)?,
            windows: Windows::new(env, grid, &input)?,
        })
    }

    /// Adds a series' row.
    fn add(&mut self, series: &WindowSeries, tile: &mut Tile) -> Result<(), QueryError> {
        let metric = series.labels.metric_name().unwrap_or_default();
        tile.push(series.labels.clone())?;
        let row = tile.len() - 1;
        let (mut filled, env) = (0, &self.env);
        self.windows.visit(series, |step, window| {
            env.counts.add_one_step(step, samples_of(window));
            let value = at_step(env, window, metric);
            filled += usize::from(value.is_some());
            tile.set(row, step, value)
        })?;
        match filled {
            0 => tile.pop(),
            filled => tile.count_samples(filled)?,
        }
        Ok(())
    }
}

fn at_step(env: &Env, window: &Window<'_>, metric: &str) -> Option<SampleValue> {
    if window.histograms.is_empty() {
        return float_at(window).map(SampleValue::Float);
    }
    if !window.values.is_empty() {
        env.add(&Notice::MixedFloatsHistograms(metric.to_owned()));
        return None;
    }
    let mut notices = Vec::new();
    let value = histogram_at(window, metric, &mut notices);
    notices.iter().for_each(|notice| env.add(notice));
    value
}

fn float_at(window: &Window<'_>) -> Option<f64> {
    let next = window.timestamps.partition_point(|time| *time < window.end);
    let at = |index: usize| Some((*window.timestamps.get(index)?, *window.values.get(index)?));
    let before = next.checked_sub(1).and_then(at);
    match (before, at(next)) {
        (_, Some((time, value))) if time == window.end => Some(value),
        (Some(before), Some(after)) => Some(extended::interpolate(before, after, window.end, false)),
        (Some((_, value)), None) => Some(value),
        (None, _) => None,
    }
}

fn histogram_at(window: &Window<'_>, metric: &str, notices: &mut Vec<Notice>) -> Option<SampleValue> {
    let next = window.histograms.partition_point(|point| point.timestamp < window.end);
    let before = next.checked_sub(1).and_then(|index| window.histograms.get(index));
    match (before, window.histograms.get(next)) {
        (_, Some(point)) if point.timestamp == window.end => {
            Some(SampleValue::Histogram(point.histogram.clone()))
        }
        (Some(before), Some(after)) => between(before, after, window.end, metric, notices),
        // The hint is about the sample before, which has nothing to do with this step.
        (Some(before), None) => {
            let histogram = FloatHistogram::clone(&before.histogram);
            Some(FloatHistogram { reset_hint: ResetHint::Unknown, ..histogram }.into())
        }
        (None, _) => None,
    }
}

fn between(
    before: &HistogramPoint,
    after: &HistogramPoint,
    time: i64,
    metric: &str,
    notices: &mut Vec<Notice>,
) -> Option<SampleValue> {
    let sides = [&before.histogram, &after.histogram];
    if sides[0].uses_custom_buckets() != sides[1].uses_custom_buckets() {
        notices.push(Notice::MixedSchemas(metric.to_owned()));
        return None;
    }
    let is_counter = sides.iter().any(|histogram| histogram.reset_hint != ResetHint::Gauge);
    let histogram = histograms::interpolate(before, after, time, is_counter, notices)?;
    Some(SampleValue::Histogram(histogram))
}

impl Operator for SmoothOperator {
    fn next(&mut self) -> Result<Option<Tile>, QueryError> {
        let mut tile = Tile::new(&self.env.control, self.steps)?;
        while !tile.is_full() {
            let Some(series) = self.feed.next()? else { break };
            self.add(&series, &mut tile)?;
        }
        Ok(tile.non_empty())
    }
}
