//! What all operators of a query share.

use std::sync::Arc;

use latewood_model::{Labels, Resolution};
use parking_lot::Mutex;

use super::{Probe, SampleCounts, Selections};
use crate::ast::Span;
use crate::{Annotations, CallContext, Control, Notice, QueryError, SeriesSource, functions};

/// What all operators of a query share. Clones are cheap.
#[derive(Clone)]
pub(crate) struct Env {
    /// Where samples come from.
    pub(crate) source: Arc<dyn SeriesSource>,
    /// What is selected there.
    pub(crate) selections: Arc<Selections>,
    /// Limits, deadline, cancellation.
    pub(crate) control: Control,
    /// How far an instant selector looks back, in milliseconds.
    pub(crate) lookback_ms: i64,
    /// The query's step in milliseconds, 0 for an instant query.
    pub(crate) step_ms: i64,
    /// Whether metric names go at the end of the query only: see [`super::names`].
    pub(crate) delays_names: bool,
    /// Whether a metric's type is told by its label and not by its name.
    pub(crate) has_type_labels: bool,
    /// Whether functions look at start timestamps.
    pub(crate) use_start_timestamps: bool,
    /// The part of the query that the operator's annotations are about.
    pub(crate) place: Span,
    /// Where samples are counted.
    pub(crate) counts: SampleCounts,
    /// What watches the operator above, if any does.
    pub(crate) probe: Option<Probe>,
    /// What the answer must say.
    pub(crate) annotations: Arc<Mutex<Annotations>>,
}

impl Env {
    /// The same for an operator whose annotations are about this place.
    pub(crate) fn at(&self, place: Span) -> Self {
        Self { place, ..self.clone() }
    }

    /// The same for operators whose samples count elsewhere.
    pub(super) fn counting(&self, counts: SampleCounts) -> Self {
        Self { counts, ..self.clone() }
    }

    /// Takes note of a resolution that the operator reads, if anything watches it.
    pub(super) fn reads_at(&self, resolution: Resolution) {
        self.probe.iter().for_each(|probe| probe.reads_at(resolution));
    }

    /// Adds an info; without its prefix.
    pub(crate) fn info(&self, text: &str) {
        self.annotations.lock().info_at(format!("PromQL info: {text}"), self.place);
    }

    /// Adds an info about a series that is taken for a counter, if it does not look like one.
    pub(super) fn doubt_counter(&self, labels: &Labels) {
        let Some(name) = labels.metric_name() else { return };
        let doubt = if self.has_type_labels {
            functions::doubt_by_type(name, labels.get("__type__").unwrap_or_default())
        } else {
            functions::doubt_by_name(name)
        };
        doubt.into_iter().for_each(|text| self.info(&text));
    }

    /// Adds a warning; without its prefix.
    pub(crate) fn warn(&self, text: &str) {
        self.annotations.lock().warn_at(format!("PromQL warning: {text}"), self.place);
    }

    /// Adds a warning about another place; with its prefix.
    pub(crate) fn warn_at(&self, text: String, place: Span) {
        self.annotations.lock().warn_at(text, place);
    }

    /// Adds a notice.
    pub(crate) fn add(&self, notice: &Notice) {
        self.annotations.lock().add_at(notice, self.place);
    }

    /// Takes over what a kernel left, and fails if it said so.
    pub(crate) fn settle(&self, context: &mut CallContext) -> Result<(), QueryError> {
        let left = context.take_annotations();
        if !left.is_empty() {
            self.annotations.lock().merge(left);
        }
        context.failure().map_or(Ok(()), |text| Err(QueryError::execution(text)))
    }
}
