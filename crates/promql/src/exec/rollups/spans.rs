//! Which windows each step of a run reads.

use std::sync::Arc;

use latewood_model::{RollupWindows, TimeRange, TimestampMs};

use super::runs::Reads;
use crate::exec::Grid;
use crate::exec::by_times::ByTimes;
use crate::exec::pace::Pace;
use crate::{Control, QueryError};

/// The windows of each step: from the first number up to, without, the second.
pub(super) type Bounds = Arc<[(usize, usize)]>;

/// The whole windows that stand for what a step reads: as many as come nearest to its length, the last one ending at
/// its time or before.
pub(super) struct Spans {
    grid: Grid,
    offset_ms: i64,
    at: Option<TimestampMs>,
    window_ms: i64,
    /// How long the windows of a step are together.
    length_ms: i64,
    control: Control,
    known: ByTimes<Bounds>,
}

impl Spans {
    pub(super) fn new(control: &Control, reads: &Reads<'_>, windows: RollupWindows) -> Self {
        let millis = windows.millis();
        let whole = match reads.is_instant {
            true => reads.depth_ms / millis,
            false => reads.depth_ms.saturating_add(millis / 2) / millis,
        };
        Self {
            grid: reads.grid,
            offset_ms: reads.scan.offset_ms,
            at: reads.scan.at,
            window_ms: millis,
            length_ms: whole.max(1).saturating_mul(millis),
            control: control.clone(),
            known: ByTimes::new::<(usize, usize)>(control, reads.grid),
        }
    }

    /// How long the windows of a step are together, in milliseconds.
    pub(super) fn length_ms(&self) -> i64 {
        self.length_ms
    }

    /// Where the last window of a step ends.
    pub(super) fn end(&self, step: usize) -> TimestampMs {
        let end = self.at.unwrap_or_else(|| self.grid.time(step)).saturating_sub(self.offset_ms);
        end.saturating_sub(end.rem_euclid(self.window_ms))
    }

    /// Where the first window of a step starts.
    pub(super) fn start(&self, step: usize) -> TimestampMs {
        self.end(step).saturating_sub(self.length_ms)
    }

    /// Where windows end that any step reads.
    pub(super) fn range(&self) -> TimeRange {
        TimeRange::new(self.start(0).saturating_add(1), self.end(self.grid.len() - 1))
    }

    /// Which of a series' windows each step reads; they end at these times.
    pub(super) fn of(&mut self, ends: &Arc<[TimestampMs]>) -> Result<Bounds, QueryError> {
        if let Some(bounds) = self.known.get(ends) {
            return Ok(bounds);
        }
        let bounds = self.find(ends)?;
        self.known.put(ends, Arc::clone(&bounds));
        Ok(bounds)
    }

    /// The same, of times that are not shared.
    pub(super) fn find(&self, ends: &[TimestampMs]) -> Result<Bounds, QueryError> {
        let mut pace = Pace::new(&self.control);
        let (mut low, mut high) = (0, 0);
        let bounds = (0..self.grid.len()).map(|step| {
            let passed = |known: usize, until: TimestampMs| {
                let rest = ends.get(known..).unwrap_or_default();
                known + rest.iter().take_while(|end| **end <= until).count()
            };
            let before = high;
            low = passed(low, self.start(step));
            high = passed(high.max(low), self.end(step));
            pace.did(1 + high - before)?;
            Ok((low, high))
        });
        bounds.collect()
    }
}
