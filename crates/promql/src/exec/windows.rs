//! Functions over windows of samples.

use std::sync::Arc;

use latewood_model::{Labels, SeriesSamples, TimestampMs, is_stale};

use super::bounds::StepWindows;
use super::counts::size_in_samples;
use super::matching::drop_reserved;
use super::merge::Merger;
use super::reach::Reach;
use super::rollups::SeriesRows;
use super::row::RowMut;
use super::rows::RowKernel;
use super::scalar::Scalars;
use super::starts::SeriesStarts;
use super::subquery::SubqueryFeed;
use super::tile::{Tile, computed};
use super::{Env, Grid, Operator, SampleCounts, SeriesFeed};
use crate::ast::Extension;
use crate::functions::histograms::HistogramKernel;
use crate::functions::{RangeKernel, Window, extended};
use crate::plan::{MetricNames, Node, WindowCall, WindowInput, WindowKernel, metric_names};
use crate::{CallContext, HistogramPoint, Notice, QueryError, SampleValue};

/// A series with its samples, stale markers gone.
pub(super) struct WindowSeries {
    pub(super) labels: Labels,
    pub(super) timestamps: Arc<[TimestampMs]>,
    pub(super) values: Vec<f64>,
    /// Whether no value is less than the one before it; false where nobody looked.
    pub(super) rises: bool,
    pub(super) starts: SeriesStarts,
    pub(super) histograms: Vec<HistogramPoint>,
    /// Whether a subquery marked it: see [`super::names`].
    pub(super) drops_name: bool,
}

impl WindowSeries {
    /// A series without its stale markers, with start timestamps if they are looked at.
    fn live(mut series: SeriesSamples, reads_starts: bool) -> Self {
        let mut rises = rises(&series.values);
        // What rises has no NaN in it, unless it is alone.
        if (!rises || series.values.len() == 1) && series.values.iter().any(|value| is_stale(*value)) {
            let live = series.samples().filter(|sample| !is_stale(sample.value));
            series.timestamps = live.map(|sample| sample.timestamp).collect();
            series.values.retain(|value| !is_stale(*value));
            rises = self::rises(&series.values);
        }
        let live = series.histograms.iter().filter(|sample| !sample.histogram.is_stale());
        let starts = match reads_starts {
            true => SeriesStarts::of(&series.timestamps, &series.starts, live.clone()),
            false => SeriesStarts::default(),
        };
        let histograms = live.map(|sample| HistogramPoint {
            timestamp: sample.timestamp,
            histogram: sample.histogram.to_float(),
        });
        let histograms = histograms.collect();
        let SeriesSamples { labels, timestamps, values, .. } = series;
        Self { labels, timestamps, values, rises, starts, histograms, drops_name: false }
    }
}

/// Whether there is no NaN among several values, and none that is less than the one before it. Looks at all, which is
/// quicker than to stop early.
fn rises(values: &[f64]) -> bool {
    let later = values.get(1..).unwrap_or_default();
    values.iter().zip(later).fold(true, |rises, (before, value)| rises & (value >= before))
}

/// Where series come from.
pub(super) enum WindowFeed {
    Samples(SeriesFeed),
    Subquery(SubqueryFeed),
}

impl WindowFeed {
    pub(super) fn new(env: &Env, grid: Grid, input: &WindowInput) -> Result<Self, QueryError> {
        Self::counting(env, grid, input, env.counts.nowhere())
    }

    /// The same, with where samples below a subquery count.
    fn counting(env: &Env, grid: Grid, input: &WindowInput, below: SampleCounts) -> Result<Self, QueryError> {
        match input {
            WindowInput::Samples { scan, range_ms, .. } => {
                Ok(Self::Samples(SeriesFeed::new(env, scan, grid, Some(*range_ms))))
            }
            WindowInput::Subquery { .. } => {
                SubqueryFeed::new(&env.counting(below), grid, input).map(Self::Subquery)
            }
        }
    }

    pub(super) fn next(&mut self) -> Result<Option<WindowSeries>, QueryError> {
        match self {
            Self::Samples(feed) => {
                let reads_starts = feed.reads_starts();
                Ok(feed.next()?.map(|series| WindowSeries::live(series, reads_starts)))
            }
            Self::Subquery(feed) => feed.next(),
        }
    }
}

/// The windows of a call, one to a step.
pub(super) struct Windows(StepWindows);

impl Windows {
    pub(super) fn new(env: &Env, grid: Grid, input: &WindowInput) -> Result<Self, QueryError> {
        let (range_ms, offset_ms, at) = match input {
            WindowInput::Samples { scan, range_ms, .. } => (*range_ms, scan.offset_ms, scan.at),
            WindowInput::Subquery { range_ms, offset_ms, at, .. } => (*range_ms, *offset_ms, *at),
        };
        let windows = StepWindows::new(&env.control, grid, range_ms, offset_ms, at)?;
        Ok(Self(windows.reaching(Reach::of_windows(input, env.lookback_ms))))
    }

    /// Calls `visit` with each step that has samples in its window.
    pub(super) fn visit(
        &mut self,
        series: &WindowSeries,
        mut visit: impl FnMut(usize, &Window<'_>) -> Result<(), QueryError>,
    ) -> Result<(), QueryError> {
        let points = series.histograms.as_slice();
        let times: Vec<_> = points.iter().map(|point| point.timestamp).collect();
        let beside = (!times.is_empty()).then(|| self.0.of(&times)).transpose()?;
        let bounds = self.0.of_shared(&series.timestamps)?;
        let mut pace = self.0.pace();
        for (step, &(low, high)) in bounds.iter().enumerate() {
            let beside = beside.as_ref().and_then(|bounds| bounds.get(step)).copied().unwrap_or((0, 0));
            let histograms = points.get(beside.0..beside.1).unwrap_or_default();
            // Of floats a kernel takes in many at once.
            pace.did(1 + (high - low) / 8 + 16 * histograms.len())?;
            if low == high && histograms.is_empty() {
                continue;
            }
            let timestamps = series.timestamps.get(low..high).unwrap_or_default();
            let values = series.values.get(low..high).unwrap_or_default();
            let (start, end, step_time) = (self.0.start(step), self.0.end(step), self.0.step_time(step));
            let starts = series.starts.within((low, high), beside);
            let rises = series.rises;
            visit(step, &Window { timestamps, values, rises, histograms, starts, start, end, step_time })?;
        }
        Ok(())
    }
}

/// As how many samples a window counts.
pub(super) fn samples_of(window: &Window<'_>) -> u64 {
    let histograms = window.histograms.iter().map(|point| size_in_samples(&point.histogram));
    window.values.len() as u64 + histograms.sum::<u64>()
}

/// Hands out the samples of each series that has any in its window, at a grid's only step.
pub(crate) fn raw_windows(
    env: &Env,
    grid: Grid,
    input: &WindowInput,
    mut each: impl FnMut(&Labels, &Window<'_>) -> Result<(), QueryError>,
) -> Result<(), QueryError> {
    // A subquery by itself counts what it evaluates, a range selector what it gives.
    let is_selector = matches!(input, WindowInput::Samples { .. });
    let mut feed = WindowFeed::counting(env, grid, input, env.counts.at_first())?;
    let mut windows = Windows::new(env, grid, input)?;
    while let Some(mut series) = feed.next()? {
        if series.drops_name {
            series.labels = drop_reserved(&series.labels);
        }
        windows.visit(&series, |step, window| {
            if let Some(extension) = input.extension() {
                return raw_extended(env, extension, window, |window| each(&series.labels, window));
            }
            if is_selector {
                env.counts.add_one_step(step, samples_of(window));
            }
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
    env.counts.add_one_step(0, samples.len() as u64);
    let (timestamps, values): (Vec<i64>, Vec<f64>) = samples.into_iter().unzip();
    each(&Window { timestamps: &timestamps, values: &values, ..*window })
}

/// What computes a window's value.
struct Call {
    kernel: RangeKernel,
    histogram_kernel: Option<HistogramKernel>,
    params: Scalars,
    context: CallContext,
}

impl Call {
    /// Of a window with floats alone.
    #[inline]
    fn compute_float(&mut self, step: usize, window: &Window<'_>) -> Result<Option<f64>, QueryError> {
        let params = self.params.at(step)?;
        Ok((self.kernel)(window, params, &mut self.context))
    }

    /// Of a window with histograms.
    fn compute(&mut self, step: usize, window: &Window<'_>) -> Result<Option<SampleValue>, QueryError> {
        if let Some(kernel) = self.histogram_kernel {
            return Ok(kernel(window, &mut self.context));
        }
        if window.values.is_empty() {
            return Ok(None);
        }
        self.context.add(&Notice::IgnoredInRange(self.context.metric_name().to_owned()));
        Ok(self.compute_float(step, window)?.map(SampleValue::Float))
    }
}

/// Whether a node is a call that drops what says what its metric is, so that its results do not have it.
pub(super) fn drops_names(node: &Node, env: &Env) -> bool {
    let Node::Window(call) = node else { return false };
    matches!(call.kernel, WindowKernel::Value(..)) && !call.keeps_name && !env.delays_names
}

/// See the module.
pub(super) struct WindowOperator {
    env: Env,
    windows: Windows,
    steps: usize,
    call: Call,
    /// Whether names go later, if at all.
    keeps_labels: bool,
    /// Whether they go at the end: see [`super::names`].
    drops_name: bool,
    warns_of_gauges: bool,
    feed: WindowFeed,
    /// The series that was looked at.
    peeked: Option<WindowSeries>,
    /// Computes whole rows, where it can.
    rows: Option<RowKernel>,
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
            windows: Windows::new(env, grid, &call.input)?,
            steps: grid.len(),
            call: Call {
                kernel,
                histogram_kernel,
                params: Scalars::new(env, grid, &call.params),
                context: CallContext::at(call.place),
            },
            keeps_labels,
            drops_name: !call.keeps_name && env.delays_names,
            warns_of_gauges: matches!(call.function.as_str(), "rate" | "increase"),
            feed: WindowFeed::new(env, grid, &call.input)?,
            peeked: None,
            rows: RowKernel::of(env, grid, call)?,
            merger: merger.transpose()?,
        })
    }

    /// The same for who ignores the labels that would be dropped: see [`drops_names`].
    pub(super) fn for_groups(self) -> Self {
        let keeps_labels = self.keeps_labels || self.merger.is_none();
        Self { keeps_labels, ..self }
    }

    /// Fills a row; how many values it has.
    fn fill_from(&mut self, series: &WindowSeries, row: &mut RowMut<'_>) -> Result<usize, QueryError> {
        let rows = self.rows.as_mut().map(|rows| rows.fill(&mut self.windows.0, series, row.values));
        if let Some(filled) = rows.transpose()?.flatten() {
            self.env.counts.add(filled.samples);
            if filled.values > 0 && self.warns_of_gauges {
                self.env.doubt_counter(&series.labels);
            }
            return Ok(filled.values);
        }
        self.fill_by_windows(series, row)
    }

    /// The same, window by window.
    fn fill_by_windows(&mut self, series: &WindowSeries, row: &mut RowMut<'_>) -> Result<usize, QueryError> {
        self.call.context.set_metric_name(series.labels.metric_name());
        let (call, counts) = (&mut self.call, &self.env.counts);
        let (mut filled, mut floats, mut evaluated) = (0, 0, 0);
        self.windows.visit(series, |step, window| {
            let counted = samples_of(window);
            evaluated += counted;
            if counts.wants_steps() {
                counts.add_at(step, counted);
            }
            floats += window.values.len();
            if window.histograms.is_empty() {
                let (value, result) = (&mut row.values[step], call.compute_float(step, window)?);
                filled += usize::from(result.is_some());
                *value = result.map_or(*value, computed);
            } else if let Some(result) = call.compute(step, window)? {
                row.set(step, Some(result));
                filled += 1;
            }
            Ok(())
        })?;
        self.env.counts.add(evaluated);
        self.env.settle(&mut self.call.context)?;
        if filled > 0 && floats > 0 && self.warns_of_gauges {
            self.env.doubt_counter(&series.labels);
        }
        Ok(filled)
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
            let filled = self.fill_from(&series, &mut row)?;
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

impl SeriesRows for WindowOperator {
    fn peek(&mut self) -> Result<Option<&Labels>, QueryError> {
        if self.peeked.is_none() {
            self.peeked = self.feed.next()?;
        }
        Ok(self.peeked.as_ref().map(|series| &series.labels))
    }

    fn fill(&mut self, row: &mut RowMut<'_>) -> Result<usize, QueryError> {
        match self.peeked.take() {
            Some(series) => self.fill_from(&series, row),
            None => Ok(0),
        }
    }
}

impl Operator for WindowOperator {
    fn next(&mut self) -> Result<Option<Tile>, QueryError> {
        match self.merger.take() {
            None => self.next_tile(),
            Some(merger) => merger.of_all(|| self.next_tile()),
        }
    }
}
