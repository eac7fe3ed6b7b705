//! What all operators of a query share.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::{Annotations, CallContext, Control, Notice, QueryError, SeriesSource};

/// What all operators of a query share. Clones are cheap.
#[derive(Clone)]
pub(crate) struct Env {
    /// Where samples come from.
    pub(crate) source: Arc<dyn SeriesSource>,
    /// Limits, deadline, cancellation.
    pub(crate) control: Control,
    /// How far an instant selector looks back, in milliseconds.
    pub(crate) lookback_ms: i64,
    /// The query's step in milliseconds, 0 for an instant query.
    pub(crate) step_ms: i64,
    /// What the answer must say.
    pub(crate) annotations: Arc<Mutex<Annotations>>,
}

impl Env {
    /// Adds an info; without its prefix.
    pub(crate) fn info(&self, text: &str) {
        self.annotations.lock().info(format!("PromQL info: {text}"));
    }

    /// Adds a warning; without its prefix.
    pub(crate) fn warn(&self, text: &str) {
        self.annotations.lock().warn(format!("PromQL warning: {text}"));
    }

    /// Adds a notice.
    pub(crate) fn add(&self, notice: &Notice) {
        self.annotations.lock().add(notice);
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
