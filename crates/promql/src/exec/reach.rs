//! How far beyond its windows a range selector looks for samples.

use crate::ast::Extension;
use crate::plan::{Scan, WindowInput};

/// Milliseconds before a window's start and behind its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Reach {
    pub(super) before_ms: i64,
    pub(super) after_ms: i64,
}

impl Reach {
    /// Of a range selector.
    pub(super) fn of_range(scan: &Scan, lookback_ms: i64) -> Self {
        match scan.extension {
            None => Self::default(),
            Some(Extension::Anchored) => Self { before_ms: lookback_ms, after_ms: 0 },
            Some(Extension::Smoothed) => Self { before_ms: lookback_ms, after_ms: lookback_ms },
        }
    }

    /// Of what windows are made of.
    pub(super) fn of_windows(input: &WindowInput, lookback_ms: i64) -> Self {
        match input {
            WindowInput::Samples { scan, .. } => Self::of_range(scan, lookback_ms),
            WindowInput::Subquery { .. } => Self::default(),
        }
    }
}
