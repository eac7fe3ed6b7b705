//! Functions over windows of samples. Both ends of a window move forward along a series with the steps, so
//! that each sample is looked at once for all windows together.

use latewood_model::{Labels, is_stale};

use super::matching::drop_reserved;
use super::merge::Merger;
use super::reach::Reach;
use super::row::RowMut;
use super::scalar::Scalars;
use super::subquery::SubqueryFeed;
use super::tile::Tile;
use super::{Env, Grid, Operator, SeriesFeed};
use crate::ast::Extension;
use crate::functions::histograms::HistogramKernel;
use crate::functions::{self, RangeKernel, Window, extended};
use crate::plan::{MetricNames, WindowCall, WindowInput, WindowKernel, metric_names};
use crate::{CallContext, HistogramPoint, Notice, QueryError, SampleValue};

/// Samples looked at between two checks of the deadline.
const SAMPLES_PER_CHECK: usize = 1 << 20;

/// A series with its samples, stale markers gone.
pub(super) struct WindowSeries {
    pub(super) labels: Labels,
    pub(super) timestamps: Vec<i64>,
    pub(super) values: Vec<f64>,
    pub(super) histograms: Vec<HistogramPoint>,
    /// Whether a subquery marked it: see [`super::names`].
    pub(super) drops_name: bool,
}

/// Where series come from.
pub(super) enum WindowFeed {
    Samples(SeriesFeed),
    Subquery(SubqueryFeed),
}

impl WindowFeed {
    pub(super) fn new(env: &Env, grid: Grid, input: &WindowInput) -> Result<Self, QueryError> {
        match input {
            WindowInput::Samples { scan, range_ms, .. } => {
                Ok(Self::Samples(SeriesFeed::new(env, scan, grid, Some(*range_ms))))
            }
            WindowInput::Subquery { .. } => SubqueryFeed::new(env, grid, input).map(Self::Subquery),
        }
    }

    pub(super) fn next(&mut self) -> Result<Option<WindowSeries>, QueryError> {
        match self {
            Self::Samples(feed) => Ok(feed.next()?.map(|series| {
                let live = series.samples().filter(|sample| !is_stale(sample.value));
                let (timestamps, values) = live.map(|sample| (sample.timestamp, sample.value)).unzip();
                let live = series.histograms.iter().filter(|sample| !sample.histogram.is_stale());
                let histograms = live.map(|sample| HistogramPoint {
                    timestamp: sample.timestamp,
                    histogram: sample.histogram.to_float(),
                });
                let histograms = histograms.collect();
                WindowSeries {
                    labels: series.labels.clone(),
                    timestamps,
                    values,
                    histograms,
                    drops_name: false,
                }
            })),
            Self::Subquery(feed) => feed.next(),
        }
    }
}

/// The windows of a series, one to a step.
#[derive(Clone, Copy)]
pub(super) struct Windows {
    grid: Grid,
    range_ms: i64,
    offset_ms: i64,
    at: Option<i64>,
    reach: Reach,
}

impl Windows {
    pub(super) fn new(env: &Env, grid: Grid, input: &WindowInput) -> Self {
        let (range_ms, offset_ms, at) = match input {
            WindowInput::Samples { scan, range_ms, .. } => (*range_ms, scan.offset_ms, scan.at),
            WindowInput::Subquery { range_ms, offset_ms, at, .. } => (*range_ms, *offset_ms, *at),
        };
        let reach = Reach::of_windows(input, env.lookback_ms);
        Self { grid, range_ms, offset_ms, at, reach }
    }

    /// Calls `visit` with each step that has samples in its window.
    pub(super) fn visit(
        &self,
        series: &WindowSeries,
        mut visit: impl FnMut(usize, &Window<'_>) -> Result<(), QueryError>,
    ) -> Result<(), QueryError> {
        let times = series.timestamps.as_slice();
        let (mut low, mut high) = (0, 0);
        let (mut oldest, mut newest) = (0, 0);
        for (step, step_time) in self.grid.times().enumerate() {
            let end = self.at.unwrap_or(step_time).saturating_sub(self.offset_ms);
            let start = end.saturating_sub(self.range_ms);
            let from = start.saturating_sub(self.reach.before_ms);
            let to = end.saturating_add(self.reach.after_ms);
            high += times.iter().skip(high).take_while(|&&time| time <= to).count();
            low += times.iter().take(high).skip(low).take_while(|&&time| time <= from).count();
            let points = series.histograms.as_slice();
            newest += points.iter().skip(newest).take_while(|point| point.timestamp <= to).count();
            let inside = points.iter().take(newest).skip(oldest);
            oldest += inside.take_while(|point| point.timestamp <= from).count();
            if low == high && oldest == newest {
                if high == times.len() && newest == points.len() && self.at.is_none() {
                    return Ok(());
                }
                continue;
            }
            let timestamps = times.get(low..high).unwrap_or_default();
            let values = series.values.get(low..high).unwrap_or_default();
            let histograms = points.get(oldest..newest).unwrap_or_default();
            let window = Window { timestamps, values, histograms, start, end, step_time };
            visit(step, &window)?;
        }
        Ok(())
    }
}

/// Hands out the samples of each series that has any in its window, at a grid's only step.
pub(crate) fn raw_windows(
    env: &Env,
    grid: Grid,
    input: &WindowInput,
    mut each: impl FnMut(&Labels, &Window<'_>) -> Result<(), QueryError>,
) -> Result<(), QueryError> {
    let (mut feed, windows) = (WindowFeed::new(env, grid, input)?, Windows::new(env, grid, input));
    while let Some(mut series) = feed.next()? {
        if series.drops_name {
            series.labels = drop_reserved(&series.labels);
        }
        windows.visit(&series, |_, window| {
            if let Some(extension) = input.extension() {
                return raw_extended(env, extension, window, |window| each(&series.labels, window));
            }
            env.control.count_evaluated((window.values.len() + window.histograms.len()) as u64);
            each(&series.labels, window)
        })?;
    }
    Ok(())
}

/// The same for an extended selector: with samples at the bounds, and of floats alone.
fn raw_extended(
    env: &Env,
    extension: Extension,
    window: &Window<'_>,
    each: impl FnOnce(&Window<'_>) -> Result<(), QueryError>,
) -> Result<(), QueryError> {
    if !window.histograms.is_empty() {
        let name = extension.as_str();
        return Err(QueryError::execution(format!("{name} modifier is not supported with histograms")));
    }
    let Some(samples) = extended::bounded_samples(window, extension) else { return Ok(()) };
    env.control.count_evaluated(samples.len() as u64);
    let (timestamps, values): (Vec<i64>, Vec<f64>) = samples.into_iter().unzip();
    each(&Window { timestamps: &timestamps, values: &values, ..*window })
}

/// See the module.
pub(super) struct WindowOperator {
    env: Env,
    windows: Windows,
    steps: usize,
    kernel: RangeKernel,
    histogram_kernel: Option<HistogramKernel>,
    /// Whether names go later, if at all.
    keeps_labels: bool,
    /// Whether they go at the end: see [`super::names`].
    drops_name: bool,
    warns_of_gauges: bool,
    feed: WindowFeed,
    params: Scalars,
    context: CallContext,
    merger: Option<Merger>,
}

impl WindowOperator {
    pub(super) fn new(env: &Env, grid: Grid, call: &WindowCall) -> Result<Self, QueryError> {
        let WindowKernel::Value(kernel, histogram_kernel) = call.kernel else {
            return Err(QueryError::execution("expected a function of one series"));
        };
        let names = match &call.input {
            WindowInput::Samples { scan, .. } => crate::plan::names_of_scan(scan),
            WindowInput::Subquery { input, .. } => metric_names(input, env.delays_names),
        };
        let keeps_labels = call.keeps_name || env.delays_names;
        let collides = !keeps_labels && names == MetricNames::Any;
        let merger = collides.then(|| Merger::new(&env.control, grid.len(), true));
        Ok(Self {
            env: env.clone(),
            windows: Windows::new(env, grid, &call.input),
            steps: grid.len(),
            kernel,
            histogram_kernel,
            keeps_labels,
            drops_name: !call.keeps_name && env.delays_names,
            warns_of_gauges: matches!(call.function.as_str(), "rate" | "increase"),
            feed: WindowFeed::new(env, grid, &call.input)?,
            params: Scalars::new(env, grid, &call.params),
            context: CallContext::at(call.place),
            merger: merger.transpose()?,
        })
    }

    /// Fills a row; how many values it has.
    fn fill(&mut self, series: &WindowSeries, row: &mut RowMut<'_>) -> Result<usize, QueryError> {
        self.context.set_metric_name(series.labels.metric_name());
        let (windows, control) = (self.windows, self.env.control.clone());
        let (mut filled, mut floats, mut looked_at, mut evaluated) = (0, 0, 0, 0);
        windows.visit(series, |step, window| {
            let samples = window.values.len() + window.histograms.len();
            looked_at += samples;
            evaluated += samples as u64;
            if looked_at > SAMPLES_PER_CHECK {
                looked_at = 0;
                control.check()?;
            }
            floats += window.values.len();
            if let Some(result) = self.compute(step, window)? {
                row.set(step, Some(result));
                filled += 1;
            }
            Ok(())
        })?;
        self.env.control.count_evaluated(evaluated);
        self.env.settle(&mut self.context)?;
        if filled > 0 && floats > 0 && self.warns_of_gauges {
            self.warn_of_gauge(&series.labels);
        }
        Ok(filled)
    }

    fn compute(&mut self, step: usize, window: &Window<'_>) -> Result<Option<SampleValue>, QueryError> {
        if !window.histograms.is_empty() {
            if let Some(kernel) = self.histogram_kernel {
                return Ok(kernel(window, &mut self.context));
            }
            if window.values.is_empty() {
                return Ok(None);
            }
            self.context.add(&Notice::IgnoredInRange(self.context.metric_name().to_owned()));
        }
        let params = self.params.at(step)?;
        Ok((self.kernel)(window, params, &mut self.context).map(SampleValue::Float))
    }

    fn warn_of_gauge(&self, labels: &Labels) {
        let Some(name) = labels.metric_name() else { return };
        let doubt = if self.env.has_type_labels {
            functions::doubt_by_type(name, labels.get("__type__").unwrap_or_default())
        } else {
            functions::doubt_by_name(name)
        };
        doubt.into_iter().for_each(|text| self.env.info(&text));
    }

    fn next_tile(&mut self) -> Result<Option<Tile>, QueryError> {
        let mut tile = Tile::new(&self.env.control, self.steps)?;
        while !tile.is_full() {
            let Some(series) = self.feed.next()? else { break };
            let labels =
                if self.keeps_labels { series.labels.clone() } else { drop_reserved(&series.labels) };
            tile.push(labels)?;
            tile.set_drops_name(tile.len() - 1, self.drops_name || series.drops_name);
            let mut row = tile.row_mut(tile.len() - 1);
            let filled = self.fill(&series, &mut row)?;
            let grown = row.take_grown();
            tile.book(grown)?;
            match filled {
                0 => tile.pop(),
                filled => tile.count_samples(filled)?,
            }
        }
        Ok(tile.non_empty())
    }
}

impl Operator for WindowOperator {
    fn next(&mut self) -> Result<Option<Tile>, QueryError> {
        let Some(mut merger) = self.merger.take() else {
            return self.next_tile();
        };
        while let Some(tile) = self.next_tile()? {
            merger.add_tile(&tile)?;
        }
        Ok(merger.finish().non_empty())
    }
}
