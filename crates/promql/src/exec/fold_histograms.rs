//! What an aggregation keeps of the histograms of a group at a step.

use latewood_model::FloatHistogram;
use latewood_model::histogram::{HistogramMean, HistogramTotal, IncompatibleSchemas, ResetHint};

use super::Env;
use crate::{HistogramOperation, Notice};

/// What an aggregation does with histograms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Handling {
    /// They count like floats.
    Counted,
    /// They are left out; a notice says so.
    Ignored,
    /// They are added up.
    Summed,
    /// Their mean is taken.
    Averaged,
}

/// The histograms of a group at a step.
#[derive(Clone, Debug)]
pub(super) struct HistogramCell {
    running: Running,
    reset: bool,
    no_reset: bool,
}

#[derive(Clone, Debug)]
enum Running {
    Total(Box<HistogramTotal>),
    Mean(Box<HistogramMean>),
    /// They cannot be combined.
    Incompatible,
    /// Floats came first: there will be no result.
    Pointless,
}

impl HistogramCell {
    pub(super) fn new(handling: Handling, after_floats: bool, first: &FloatHistogram) -> Self {
        let running = match handling {
            _ if after_floats => Running::Pointless,
            Handling::Averaged => Running::Mean(Box::new(HistogramMean::new(first))),
            _ => Running::Total(Box::new(HistogramTotal::new(first))),
        };
        let mut cell = Self { running, reset: false, no_reset: false };
        if !after_floats {
            cell.note_hint(first);
        }
        cell
    }

    fn note_hint(&mut self, histogram: &FloatHistogram) {
        self.reset |= histogram.reset_hint == ResetHint::Reset;
        self.no_reset |= histogram.reset_hint == ResetHint::NoReset;
    }

    /// Takes in a further histogram of a metric.
    pub(super) fn add(&mut self, env: &Env, histogram: &FloatHistogram, metric: Option<&str>) {
        let added = match &mut self.running {
            Running::Total(total) => total.add(histogram),
            Running::Mean(mean) => mean.add(histogram),
            Running::Incompatible | Running::Pointless => return,
        };
        self.note_hint(histogram);
        match added {
            Ok(reconciled) if reconciled.bounds => {
                env.add(&Notice::BoundsReconciled(HistogramOperation::Aggregation));
            }
            Ok(_) => {}
            Err(IncompatibleSchemas) => {
                env.add(&Notice::MixedSchemas(metric.unwrap_or_default().to_owned()));
                self.running = Running::Incompatible;
            }
        }
    }

    /// Bytes held.
    pub(super) fn size(&self) -> u64 {
        let running = match &self.running {
            Running::Total(total) => size_of::<HistogramTotal>() + total.heap_size(),
            Running::Mean(mean) => size_of::<HistogramMean>() + mean.heap_size(),
            Running::Incompatible | Running::Pointless => 0,
        };
        (running + size_of::<Self>()) as u64
    }

    /// Whether further samples do not matter.
    pub(super) fn is_incompatible(&self) -> bool {
        matches!(self.running, Running::Incompatible)
    }

    /// The result, if there is one.
    pub(super) fn finish(&self, env: &Env, with_floats: bool) -> Option<FloatHistogram> {
        if with_floats {
            env.add(&Notice::MixedFloatsHistogramsInAggregation);
            return None;
        }
        let result = match &self.running {
            Running::Total(total) => total.finish(),
            Running::Mean(mean) => mean.finish(),
            Running::Incompatible | Running::Pointless => return None,
        };
        if self.reset && self.no_reset {
            env.add(&Notice::ResetCollision(HistogramOperation::Aggregation));
        }
        Some(result)
    }
}
