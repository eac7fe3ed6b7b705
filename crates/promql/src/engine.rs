//! The door to the engine: a query goes in, a [`QueryResult`] comes out on the caller's thread.

use std::sync::Arc;
use std::time::Duration;

use latewood_base::Clock;
use latewood_model::TimestampMs;

use crate::ast::Expr;
use crate::{Control, EngineConfig, QueryError, QueryLimits, QueryStats, SeriesSource, Value};

/// An expression at one time.
#[derive(Clone, Debug)]
pub struct InstantQuery {
    /// What is asked.
    pub expr: Expr,
    /// When.
    pub time: TimestampMs,
    /// Another lookback than the engine's.
    pub lookback: Option<Duration>,
}

/// An expression at evenly spaced times.
#[derive(Clone, Debug)]
pub struct RangeQuery {
    /// What is asked; a scalar or an instant vector.
    pub expr: Expr,
    /// The first time.
    pub start: TimestampMs,
    /// No step lies after this.
    pub end: TimestampMs,
    /// The distance of the steps; at least a millisecond.
    pub step: Duration,
    /// Another lookback than the engine's.
    pub lookback: Option<Duration>,
}

/// The answer to a query.
#[derive(Clone, Debug, PartialEq)]
pub struct QueryResult {
    /// The value.
    pub value: Value,
    /// Warnings, sorted, each once.
    pub warnings: Vec<String>,
    /// Infos, sorted, each once.
    pub infos: Vec<String>,
    /// What it took.
    pub stats: QueryStats,
}

/// Evaluates queries. Holds no state but its settings; queries run side by side.
#[derive(Clone, Debug)]
pub struct Engine {
    config: EngineConfig,
}

impl Engine {
    /// An engine with these settings, which the caller has validated.
    #[must_use]
    pub fn new(config: EngineConfig) -> Self {
        Self { config }
    }

    /// The settings.
    #[must_use]
    pub fn config(&self) -> &EngineConfig {
        &self.config
    }

    /// A control with the engine's limits, its time starting now; a given timeout can only shorten it.
    #[must_use]
    pub fn control(&self, clock: &Clock, timeout: Option<Duration>) -> Control {
        let limits = QueryLimits {
            timeout: timeout.map_or(self.config.timeout, |given| given.min(self.config.timeout)),
            max_samples: self.config.max_samples,
            max_bytes: self.config.max_bytes,
        };
        Control::new(clock.clone(), limits)
    }

    /// Evaluates an expression at one time. Blocks: call it off the async runtime.
    ///
    /// # Errors
    /// See [`QueryError`].
    pub fn instant(
        &self,
        _query: &InstantQuery,
        _source: Arc<dyn SeriesSource>,
        control: &Control,
    ) -> Result<QueryResult, QueryError> {
        control.check()?;
        Err(QueryError::execution("evaluation is not linked in yet"))
    }

    /// Evaluates an expression at evenly spaced times. Blocks: call it off the async runtime.
    ///
    /// # Errors
    /// See [`QueryError`].
    pub fn range(
        &self,
        _query: &RangeQuery,
        _source: Arc<dyn SeriesSource>,
        control: &Control,
    ) -> Result<QueryResult, QueryError> {
        control.check()?;
        Err(QueryError::execution("evaluation is not linked in yet"))
    }
}
