//! The series of a selection whose steps are read at different resolutions, joined by their labels.

use std::ops::Range;

use latewood_model::{Labels, Resolution, RollupWindows, storage_order};

use super::feed::RollupFeed;
use super::rows::{Made, RollupRows};
use super::runs::{Reads, Run, runs};
use super::spans::Spans;
use crate::exec::matching::drop_reserved;
use crate::exec::merge::Merger;
use crate::exec::row::{Histograms, RowMut};
use crate::exec::scan::ScanOperator;
use crate::exec::tile::{Tile, absent, is_present};
use crate::exec::windows::WindowOperator;
use crate::exec::{Env, Grid, Operator};
use crate::functions::rollups::RollupFunction;
use crate::functions::{Kernel, histograms, lookup};
use crate::plan::{MetricNames, Reading, Scan, WindowCall, WindowInput, WindowKernel, names_of_scan};
use crate::{CallContext, QueryError, RollupSelect};

/// Series one after another in storage order, each made into a row.
pub(in crate::exec) trait SeriesRows: Send {
    /// The labels of the next series, as they are stored; `None` at the end.
    fn peek(&mut self) -> Result<Option<&Labels>, QueryError>;

    /// Fills a row of nothing with the next series, which was looked at before; how many values it has.
    fn fill(&mut self, row: &mut RowMut<'_>) -> Result<usize, QueryError>;
}

/// Steps next to each other and what fills them.
struct Part {
    steps: Range<usize>,
    rows: Box<dyn SeriesRows>,
    /// Room for a row of these steps.
    values: Vec<f64>,
}

/// What becomes of the labels of series.
struct Naming {
    /// Whether names stay, for now.
    keeps_labels: bool,
    /// Whether they go at the end: see [`crate::exec::names`].
    drops_name: bool,
}

/// See the module.
pub(in crate::exec) struct RunsOperator {
    env: Env,
    steps: usize,
    parts: Vec<Part>,
    naming: Naming,
    /// Where series may come to have equal labels.
    merger: Option<Merger>,
}

/// A function over windows, if any step of it is read from rollups.
pub(in crate::exec) fn windows_of(
    env: &Env,
    grid: Grid,
    call: &WindowCall,
) -> Result<Option<RunsOperator>, QueryError> {
    let WindowInput::Samples { scan, range_ms, .. } = &call.input else { return Ok(None) };
    let function = RollupFunction::of(&call.function);
    let reads = Reads { grid, scan, depth_ms: *range_ms, is_instant: false, function };
    let (runs, Some(function)) = (runs(env, &reads), function) else { return Ok(None) };
    if runs.iter().all(|run| run.resolution == Resolution::Raw) {
        return Ok(None);
    }
    let samples = of_values(call);
    let part = |run: &Run| -> Result<Part, QueryError> {
        let (grid, env) = (grid.part(&run.steps), env.counting(env.counts.from(run.steps.start)));
        let rows: Box<dyn SeriesRows> = match RollupWindows::of(run.resolution) {
            None => Box::new(WindowOperator::new(&env, grid, &samples)?),
            Some(windows) => {
                let reads = Reads { grid, ..reads };
                let spans = Spans::new(&env.control, &reads, windows);
                let scale = if run.is_exact { 1.0 } else { *range_ms as f64 / spans.length_ms() as f64 };
                let context = CallContext::at(call.place);
                Box::new(rollup_rows(&env, &reads, run, spans, Made::Of(function, scale), context))
            }
        };
        Ok(Part::new(run, rows))
    };
    let parts = runs.iter().map(part).collect::<Result<_, _>>()?;
    let keeps_labels = call.keeps_name || env.delays_names || matches!(call.kernel, WindowKernel::Presence);
    let collides = !keeps_labels && names_of_scan(scan) == MetricNames::Any;
    let merger = collides.then(|| Merger::new(&env.control, grid.len(), true)).transpose()?;
    let naming = Naming { keeps_labels, drops_name: !call.keeps_name && env.delays_names };
    Ok(Some(RunsOperator { env: env.clone(), steps: grid.len(), parts, naming, merger }))
}

/// An instant selector, if any step of it is read from rollups.
pub(in crate::exec) fn scan_of(
    env: &Env,
    grid: Grid,
    scan: &Scan,
    reading: Reading,
) -> Result<Option<RunsOperator>, QueryError> {
    if reading == Reading::Start {
        return Ok(None);
    }
    let reads = Reads { grid, scan, depth_ms: env.lookback_ms, is_instant: true, function: None };
    let runs = runs(env, &reads);
    if runs.iter().all(|run| run.resolution == Resolution::Raw) {
        return Ok(None);
    }
    let part = |run: &Run| -> Result<Part, QueryError> {
        let (grid, env) = (grid.part(&run.steps), env.counting(env.counts.from(run.steps.start)));
        let rows: Box<dyn SeriesRows> = match RollupWindows::of(run.resolution) {
            None => Box::new(ScanOperator::new(&env, grid, scan, reading)?),
            Some(windows) => {
                let reads = Reads { grid, ..reads };
                let spans = Spans::new(&env.control, &reads, windows);
                let lookback = if run.is_exact { env.lookback_ms } else { i64::MAX };
                let made = Made::Newest(reading, lookback);
                Box::new(rollup_rows(&env, &reads, run, spans, made, CallContext::default()))
            }
        };
        Ok(Part::new(run, rows))
    };
    let parts = runs.iter().map(part).collect::<Result<_, _>>()?;
    let keeps_labels = reading == Reading::Value || env.delays_names;
    let collides = !keeps_labels && names_of_scan(scan).may_collide();
    let merger = collides.then(|| Merger::new(&env.control, grid.len(), false)).transpose()?;
    let naming = Naming { keeps_labels, drops_name: false };
    Ok(Some(RunsOperator { env: env.clone(), steps: grid.len(), parts, naming, merger }))
}

/// The call as one that has values: `absent_over_time` asks what `present_over_time` answers.
fn of_values(call: &WindowCall) -> WindowCall {
    const PRESENT: &str = "present_over_time";
    let mut call = call.clone();
    if let (WindowKernel::Presence, Some(Kernel::Range(kernel))) =
        (call.kernel, lookup(PRESENT).map(|spec| spec.kernel))
    {
        call.kernel = WindowKernel::Value(kernel, histograms::kernel(PRESENT));
        PRESENT.clone_into(&mut call.function);
    }
    call
}

fn rollup_rows(
    env: &Env,
    reads: &Reads<'_>,
    run: &Run,
    spans: Spans,
    made: Made,
    context: CallContext,
) -> RollupRows {
    let select = RollupSelect {
        matchers: reads.scan.matchers.clone(),
        range: spans.range(),
        resolution: run.resolution,
        columns: made.columns(),
    };
    let warning = (!run.is_exact).then(|| {
        let resolution = run.resolution;
        format!("results are approximate: they are made of windows of {resolution}, which do not fit what is asked")
    });
    RollupRows { feed: RollupFeed::new(env, select), env: env.clone(), spans, made, context, warning }
}

impl Part {
    fn new(run: &Run, rows: Box<dyn SeriesRows>) -> Self {
        Self { steps: run.steps.clone(), rows, values: Vec::new() }
    }

    /// Puts the next series into the part's steps of a row; how many values it has there.
    fn fill(&mut self, row: &mut RowMut<'_>) -> Result<usize, QueryError> {
        // As long as a part of the row, which is booked.
        self.values.clear();
        self.values.resize(self.steps.len(), absent());
        let (mut labels, mut histograms, mut drops_name) = (row.labels.clone(), None::<Histograms>, false);
        let mut own = RowMut::new(&mut labels, &mut self.values, &mut histograms, &mut drops_name);
        let filled = self.rows.fill(&mut own)?;
        let own = own.as_row();
        if own.has_histograms() {
            let present = (0..own.values.len()).filter(|step| is_present(own.values[*step]));
            present.for_each(|step| row.set(self.steps.start + step, own.get(step)));
        } else if let Some(values) = row.values.get_mut(self.steps.clone()) {
            values.copy_from_slice(own.values);
        }
        Ok(filled)
    }
}

impl RunsOperator {
    /// The same for who ignores the labels that would be dropped: see [`crate::exec::windows::drops_names`].
    pub(in crate::exec) fn for_groups(mut self) -> Self {
        self.naming.keeps_labels |= self.merger.is_none();
        self
    }

    /// The labels of the series that comes first in storage order.
    fn next_labels(&mut self) -> Result<Option<Labels>, QueryError> {
        let mut first: Option<Labels> = None;
        for part in &mut self.parts {
            let Some(labels) = part.rows.peek()? else { continue };
            if first.as_ref().is_none_or(|first| storage_order(labels, first).is_lt()) {
                first = Some(labels.clone());
            }
        }
        Ok(first)
    }

    fn next_tile(&mut self) -> Result<Option<Tile>, QueryError> {
        let mut tile = Tile::new(&self.env.control, self.steps)?;
        while !tile.is_full() {
            let Some(stored) = self.next_labels()? else { break };
            let labels = if self.naming.keeps_labels { stored.clone() } else { drop_reserved(&stored) };
            tile.push(labels)?;
            tile.set_drops_name(tile.len() - 1, self.naming.drops_name);
            let mut row = tile.row_mut(tile.len() - 1);
            let mut filled = 0;
            for part in &mut self.parts {
                if part.rows.peek()? == Some(&stored) {
                    filled += part.fill(&mut row)?;
                }
            }
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

impl Operator for RunsOperator {
    fn next(&mut self) -> Result<Option<Tile>, QueryError> {
        match self.merger.take() {
            None => self.next_tile(),
            Some(merger) => merger.of_all(|| self.next_tile()),
        }
    }
}
