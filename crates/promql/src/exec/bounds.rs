//! Which of a series' samples lie in the window of each step.
//!
//! Both ends of a window move forward with the steps, so that each sample is passed once for all windows
//! together. Series that were scraped together share their times, and so their bounds.

use std::sync::Arc;

use latewood_model::TimestampMs;

use super::Grid;
use super::by_times::ByTimes;
use super::pace::Pace;
use super::reach::Reach;
use crate::{Control, QueryError};

/// The samples of each step's window: from the first number up to, without, the second.
pub(super) type Bounds = Arc<[(usize, usize)]>;

/// The windows of a selection, `(time - length, time]` at each step, moved by `offset` or fixed by `@`.
pub(super) struct StepWindows {
    grid: Grid,
    length_ms: i64,
    offset_ms: i64,
    at: Option<TimestampMs>,
    reach: Reach,
    control: Control,
    known: ByTimes<Bounds>,
}

impl StepWindows {
    pub(super) fn new(
        control: &Control,
        grid: Grid,
        length_ms: i64,
        offset_ms: i64,
        at: Option<TimestampMs>,
    ) -> Result<Self, QueryError> {
        let known = ByTimes::new::<(usize, usize)>(control, grid);
        let (reach, control) = (Reach::default(), control.clone());
        Ok(Self { grid, length_ms, offset_ms, at, reach, control, known })
    }

    /// The same, with samples beyond both ends.
    pub(super) fn reaching(self, reach: Reach) -> Self {
        Self { reach, ..self }
    }

    /// The end of a step's window, inclusive.
    pub(super) fn end(&self, step: usize) -> TimestampMs {
        self.at.unwrap_or_else(|| self.grid.time(step)).saturating_sub(self.offset_ms)
    }

    /// The start of a step's window, exclusive.
    pub(super) fn start(&self, step: usize) -> TimestampMs {
        self.end(step).saturating_sub(self.length_ms)
    }

    /// The time that a step evaluates.
    pub(super) fn step_time(&self, step: usize) -> TimestampMs {
        self.grid.time(step)
    }

    /// For work on the windows, in pieces.
    pub(super) fn pace(&self) -> Pace<'_> {
        Pace::new(&self.control)
    }

    /// The bounds of shared times, which are strictly ascending.
    pub(super) fn of_shared(&mut self, times: &Arc<[TimestampMs]>) -> Result<Bounds, QueryError> {
        if let Some(bounds) = self.known.get(times) {
            return Ok(bounds);
        }
        let bounds = self.of(times)?;
        self.known.put(times, Arc::clone(&bounds));
        Ok(bounds)
    }

    /// The bounds of strictly ascending times.
    pub(super) fn of(&self, times: &[TimestampMs]) -> Result<Bounds, QueryError> {
        let (mut low, mut high) = (0, 0);
        let mut pace = self.pace();
        let bounds = (0..self.grid.len()).map(|step| {
            pace.did(1)?;
            let start = self.start(step).saturating_sub(self.reach.before_ms);
            let end = self.end(step).saturating_add(self.reach.after_ms);
            low = passed(times, low, start);
            high = passed(times, high.max(low), end);
            Ok((low, high))
        });
        bounds.collect()
    }
}

/// How many times are not after `until`, the first `known` among them.
fn passed(times: &[TimestampMs], known: usize, until: TimestampMs) -> usize {
    // A step passes a few samples only; the first one, or a long one, may pass many: strides grow until they are too long.
    let rest = times.get(known..).unwrap_or_default();
    let mut stride = 1;
    while rest.get(stride - 1).is_some_and(|&time| time <= until) {
        stride *= 2;
    }
    let (low, high) = (stride / 2, rest.len().min(stride));
    known + low + rest.get(low..high).unwrap_or_default().partition_point(|&time| time <= until)
}

#[cfg(test)]
mod tests {
    use latewood_base::Clock;

    use super::*;
    use crate::QueryLimits;

    #[test]
    fn windows_hold_what_lies_after_their_start_and_up_to_their_end() {
        let control = Control::new(Clock::manual(0).0, QueryLimits::NONE);
        let times: Arc<[i64]> = (0..100).map(|n| n * 10).collect();
        let grid = Grid::new(-50, 1_200, 50).unwrap().unwrap();
        for (length, offset, at) in
            [(50, 0, None), (7, 0, None), (1, 10, None), (300, -20, None), (30, 5, Some(400))]
        {
            let mut windows = StepWindows::new(&control, grid, length, offset, at).unwrap();
            let bounds = windows.of_shared(&times).unwrap();
            for (step, &(low, high)) in bounds.iter().enumerate() {
                let inside = |time: &&i64| (windows.start(step) < **time) && (**time <= windows.end(step));
                let expected: Vec<&i64> = times.iter().filter(inside).collect();
                assert_eq!(times[low..high].iter().collect::<Vec<_>>(), expected, "{length} {offset} {step}");
            }
            assert!(Arc::ptr_eq(&bounds, &windows.of_shared(&times).unwrap()));
            let other: Arc<[i64]> = Arc::from(&times[..1]);
            assert!(windows.of_shared(&other).unwrap().iter().all(|&(low, high)| high <= 1 && low <= high));
        }
    }
}
