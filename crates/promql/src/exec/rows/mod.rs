//! Functions of windows that are computed for a whole row at once, quicker than window by window and with the same bits.

mod extrapolate;
mod running;

use super::bounds::StepWindows;
use super::windows::WindowSeries;
use super::{Env, Grid};
use crate::QueryError;
use crate::plan::{WindowCall, WindowInput};
use extrapolate::Extrapolation;
use running::Running;

/// What became of a row.
#[derive(Clone, Copy, Debug)]
pub(super) struct Filled {
    /// How many values it has.
    pub(super) values: usize,
    /// Samples of all windows together.
    pub(super) samples: u64,
}

/// Computes rows.
pub(super) enum RowKernel {
    Extrapolation(Extrapolation),
    Running(Running),
}

impl RowKernel {
    /// For a call; `None` where windows are to be looked at one by one.
    pub(super) fn of(env: &Env, grid: Grid, call: &WindowCall) -> Result<Option<Self>, QueryError> {
        let is_plain = matches!(call.input, WindowInput::Samples { .. }) && call.input.extension().is_none();
        if !is_plain || env.counts.wants_steps() {
            return Ok(None);
        }
        if let Some(running) = Running::of(&call.function) {
            return Ok(Some(Self::Running(running)));
        }
        Ok(Extrapolation::of(env, grid, &call.function)?.map(Self::Extrapolation))
    }

    /// Fills a row of a series, if it is one that can be: of floats alone, whose resets show in its values.
    pub(super) fn fill(
        &mut self,
        windows: &mut StepWindows,
        series: &WindowSeries,
        row: &mut [f64],
    ) -> Result<Option<Filled>, QueryError> {
        if !series.histograms.is_empty() || !series.starts.is_empty() {
            return Ok(None);
        }
        match self {
            Self::Extrapolation(kernel) => kernel.fill(windows, series, row).map(Some),
            Self::Running(kernel) => kernel.fill(windows, series, row),
        }
    }
}
