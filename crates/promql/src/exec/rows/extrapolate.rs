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
use crate::functions::spacing::{Growth, Place, Spacing};

/// Steps of a run at most: between two of them the query may be told to end.
const LONGEST_RUN: usize = 1 << 12;

/// Where a step's window lies in a series: the numbers of its first and its last sample, the same one where there are
/// fewer than two. Small, as each value of each series reads it.
type Span = (u32, u32);

/// The windows of a vector of times.
#[derive(Default)]
struct Spans {
    /// Of each step.
    steps: Vec<Span>,
    /// Up to which step, exclusive, windows that can be computed have this spacing. Of evenly spaced samples there are few.
    runs: Vec<(usize, Spacing)>,
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
        let known = ByTimes::new::<(Span, (usize, Spacing))>(&env.control, grid);
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
        let mut pace = windows.pace();
        let mut resets = Resets::of(&series.values, self.is_counter && !series.rises);
        let (mut values, mut from) = (0, 0);
        for (until, spacing) in &spans.runs {
            let run = row.get_mut(from..*until).unwrap_or_default();
            pace.did(1 + run.len() / 4)?;
            for (value, span) in run.iter_mut().zip(spans.steps.get(from..).unwrap_or_default()) {
                let (begin, end) = (span.0 as usize, span.1 as usize);
                let ends = series.values.get(begin).zip(series.values.get(end)).filter(|_| begin < end);
                let Some((&first, &last)) = ends else { continue };
                let change = resets.add_to(last - first, begin, end);
                let growth = self.is_counter.then_some(Growth { first, increase: change });
                *value = computed(change * spacing.extrapolation(growth));
                values += 1;
            }
            from = *until;
        }
        Ok(Filled { values, samples: spans.samples })
    }

    /// The windows of a vector of times that is not known yet.
    fn find(&mut self, windows: &StepWindows, times: &Arc<[TimestampMs]>) -> Result<Arc<Spans>, QueryError> {
        let bounds = windows.of(times)?;
        let mut spans = Spans { steps: Vec::with_capacity(bounds.len()), ..Spans::default() };
        let mut pace = windows.pace();
        for (step, &(low, high)) in bounds.iter().enumerate() {
            pace.did(1)?;
            spans.samples += (high - low) as u64;
            let Some(&[first, .., last]) = times.get(low..high) else {
                spans.steps.push((0, 0));
                continue;
            };
            let (start, end) = (windows.start(step), windows.end(step));
            let place = Place::between((start, end), (first, last), high - low - 1, self.is_rate);
            spans.steps.push((number(low)?, number(high - 1)?));
            let goes_on =
                |run: &&mut (usize, Spacing)| run.1.is_of(place) && !step.is_multiple_of(LONGEST_RUN);
            match spans.runs.last_mut().filter(goes_on) {
                Some(run) => run.0 = step + 1,
                None => spans.runs.push((step + 1, Spacing::of(place))),
            }
        }
        spans.runs.shrink_to_fit();
        let spans = Arc::new(spans);
        self.known.put(times, Arc::clone(&spans));
        Ok(spans)
    }
}

/// The number of a sample.
fn number(place: usize) -> Result<u32, QueryError> {
    u32::try_from(place).map_err(|_| QueryError::execution("too many samples in a series"))
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
