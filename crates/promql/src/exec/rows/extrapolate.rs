//! `rate`, `increase` and `delta` for whole rows of floats.
//!
//! How far a window extrapolates follows from times alone, so it is found once for all series that share theirs; a
//! value then takes the first and the last sample of its window, and the resets between them. The bits are those of
//! the kernels of [`crate::functions`], which compute one window.

use std::sync::Arc;

use latewood_model::TimestampMs;

use super::Filled;
use crate::QueryError;
use crate::exec::bounds::StepWindows;
use crate::exec::by_times::ByTimes;
use crate::exec::tile::computed;
use crate::exec::windows::WindowSeries;
use crate::exec::{Env, Grid};
use crate::functions::spacing::{Growth, Place, Spacing, SpacingMemo};

/// Where a step's window lies in a series.
#[derive(Clone, Copy)]
struct Span {
    /// The number of its first sample.
    first: usize,
    /// The number of its last sample.
    last: usize,
    spacing: Spacing,
}

/// The windows of a vector of times.
struct Spans {
    /// Of each step; `None` where there are fewer than two samples.
    steps: Box<[Option<Span>]>,
    /// Samples of all windows together.
    samples: u64,
}

/// See the module.
pub(in crate::exec) struct Extrapolation {
    is_counter: bool,
    is_rate: bool,
    known: ByTimes<Arc<Spans>>,
}

impl Extrapolation {
    /// Of one of the three functions, by its name.
    pub(super) fn of(env: &Env, grid: Grid, function: &str) -> Result<Option<Self>, QueryError> {
        let (is_counter, is_rate) = match function {
            "rate" => (true, true),
            "increase" => (true, false),
            "delta" => (false, false),
            _ => return Ok(None),
        };
        let known = ByTimes::new::<Option<Span>>(&env.control, grid);
        Ok(Some(Self { is_counter, is_rate, known }))
    }

    /// Fills a row.
    pub(super) fn fill(
        &mut self,
        windows: &StepWindows,
        series: &WindowSeries,
        row: &mut [f64],
    ) -> Result<Filled, QueryError> {
        let spans = match self.known.get(&series.timestamps) {
            Some(spans) => spans,
            None => self.find(windows, &series.timestamps)?,
        };
        windows.pace().did(row.len() / 4)?;
        let mut resets = Resets::of(&series.values, self.is_counter && !series.rises);
        let mut values = 0;
        for (value, span) in row.iter_mut().zip(&spans.steps) {
            let Some(span) = span else { continue };
            let ends = series.values.get(span.first).zip(series.values.get(span.last));
            let Some((&first, &last)) = ends else { continue };
            let change = resets.add_to(last - first, span.first, span.last);
            let growth = self.is_counter.then_some(Growth { first, increase: change });
            *value = computed(change * span.spacing.extrapolation(growth));
            values += 1;
        }
        Ok(Filled { values, samples: spans.samples })
    }

    /// The windows of a vector of times that is not known yet.
    fn find(&mut self, windows: &StepWindows, times: &Arc<[TimestampMs]>) -> Result<Arc<Spans>, QueryError> {
        let bounds = windows.of(times)?;
        let (mut samples, mut spacing, mut pace) = (0, SpacingMemo::default(), windows.pace());
        let steps = bounds.iter().enumerate().map(|(step, &(low, high))| {
            pace.did(1)?;
            samples += (high - low) as u64;
            let Some(&[first, .., last]) = times.get(low..high) else { return Ok(None) };
            let (start, end) = (windows.start(step), windows.end(step));
            let place = Place::between((start, end), (first, last), high - low - 1, self.is_rate);
            Ok(Some(Span { first: low, last: high - 1, spacing: spacing.at(place) }))
        });
        let steps = steps.collect::<Result<_, QueryError>>()?;
        let spans = Arc::new(Spans { steps, samples });
        self.known.put(times, Arc::clone(&spans));
        Ok(spans)
    }
}

/// Where a counter fell, and from what, as windows pass over it.
struct Resets {
    /// The number of the first sample after the fall, and the value before.
    all: Vec<(usize, f64)>,
    /// Those before are not in this window or any later one.
    from: usize,
}

impl Resets {
    fn of(values: &[f64], falls: bool) -> Self {
        let pairs = values.windows(2).enumerate().filter(|(_, pair)| falls && pair[1] < pair[0]);
        let all =
            if falls { pairs.map(|(number, pair)| (number + 1, pair[0])).collect() } else { Vec::new() };
        Self { all, from: 0 }
    }

    /// Adds what a counter had when it fell, within a window that is not before the last one asked for.
    #[inline]
    fn add_to(&mut self, change: f64, first: usize, last: usize) -> f64 {
        if self.all.is_empty() {
            return change;
        }
        let passed = self.all.iter().skip(self.from).take_while(|(number, _)| *number <= first);
        self.from += passed.count();
        let within = self.all.iter().skip(self.from).take_while(|(number, _)| *number <= last);
        within.fold(change, |sum, (_, before)| sum + before)
    }
}
