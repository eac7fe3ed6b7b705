//! The door to the engine: a query goes in, a [`QueryResult`] comes out on the caller's thread.

use std::sync::Arc;
use std::time::Duration;

use latewood_base::{Clock, Turns};
use latewood_model::TimestampMs;

use crate::ast::{Expr, Span, ValueType};
use crate::commons::Commons;
use crate::exec::{Env, Grid, Probe, SampleCounts};
use crate::plan::{Explanation, QueryPlan, QueryTimes, millis, plan_instant, plan_range};
use crate::{
    Control, EngineConfig, QueryError, QueryLimits, QueryStats, Report, ReportOptions, Reservation,
    SeriesSource, Value, result, with_room,
};

/// An expression at one time.
#[derive(Clone, Debug)]
pub struct InstantQuery {
    /// What is asked.
    pub expr: Expr,
    /// When.
    pub time: TimestampMs,
    /// Another lookback than the engine's.
    pub lookback: Option<Duration>,
    /// What is told of the evaluation.
    pub report: ReportOptions,
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
    /// What is told of the evaluation.
    pub report: ReportOptions,
}

/// The answer to a query.
#[derive(Debug)]
pub struct QueryResult {
    /// The value.
    pub value: Value,
    /// What the query's account has for the value: for each series [`MatrixSeries::size`](crate::MatrixSeries::size).
    pub held: Reservation,
    /// Warnings, sorted, each once.
    pub warnings: Vec<String>,
    /// Infos, sorted, each once.
    pub infos: Vec<String>,
    /// What it took.
    pub stats: QueryStats,
    /// What else was asked.
    pub report: Report,
}

/// Evaluates queries, which run side by side and share memory and turns. Clones share them too.
#[derive(Clone, Debug)]
pub struct Engine {
    config: EngineConfig,
    commons: Arc<Commons>,
}

impl Engine {
    /// An engine with these settings, which the caller has validated, and turns of its own.
    #[must_use]
    pub fn new(config: EngineConfig) -> Self {
        Self::with_turns(config, Arc::new(Turns::for_half_of_the_cores()))
    }

    /// An engine whose long queries share turns with other long work.
    #[must_use]
    pub fn with_turns(config: EngineConfig, turns: Arc<Turns>) -> Self {
        let commons = Arc::new(Commons::new(config.max_total_bytes, turns));
        Self { config, commons }
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
        Control::sharing(clock.clone(), limits, Some(Arc::clone(&self.commons)))
    }

    /// Evaluates an expression at one time. Blocks: call it off the async runtime.
    ///
    /// # Errors
    /// See [`QueryError`].
    pub fn instant(
        &self,
        query: &InstantQuery,
        source: Arc<dyn SeriesSource>,
        control: &Control,
    ) -> Result<QueryResult, QueryError> {
        with_room(query.expr.levels(), || self.instant_here(query, source, control))?
    }

    fn instant_here(
        &self,
        query: &InstantQuery,
        source: Arc<dyn SeriesSource>,
        control: &Control,
    ) -> Result<QueryResult, QueryError> {
        let plan = self.plan_instant(query)?;
        let grid = Grid::single(query.time);
        let reader = Reader { source, control, lookback: query.lookback, step_ms: 0 };
        let env = self.env(reader, query.report, grid, &plan)?;
        let is_scalar = query.expr.value_type() == ValueType::Scalar;
        let value = result::instant(&plan, is_scalar, query.time, &env);
        control.rest();
        Ok(finish(value?, env, grid))
    }

    /// Evaluates an expression at evenly spaced times. Blocks: call it off the async runtime.
    ///
    /// # Errors
    /// See [`QueryError`].
    pub fn range(
        &self,
        query: &RangeQuery,
        source: Arc<dyn SeriesSource>,
        control: &Control,
    ) -> Result<QueryResult, QueryError> {
        with_room(query.expr.levels(), || self.range_here(query, source, control))?
    }

    fn range_here(
        &self,
        query: &RangeQuery,
        source: Arc<dyn SeriesSource>,
        control: &Control,
    ) -> Result<QueryResult, QueryError> {
        let (plan, grid) = self.plan_range(query)?;
        let reader = Reader { source, control, lookback: query.lookback, step_ms: grid.step() };
        let env = self.env(reader, query.report, grid, &plan)?;
        let value = result::range(&plan, grid, &env);
        control.rest();
        Ok(finish(value?, env, grid))
    }

    /// The plan by which an expression is evaluated at one time.
    ///
    /// # Errors
    /// What [`Self::instant`] fails with before it reads anything.
    pub fn explain_instant(&self, query: &InstantQuery) -> Result<Explanation, QueryError> {
        with_room(query.expr.levels(), || Ok(self.plan_instant(query)?.explain()))?
    }

    /// The plan by which an expression is evaluated at evenly spaced times.
    ///
    /// # Errors
    /// What [`Self::range`] fails with before it reads anything.
    pub fn explain_range(&self, query: &RangeQuery) -> Result<Explanation, QueryError> {
        with_room(query.expr.levels(), || Ok(self.plan_range(query)?.0.explain()))?
    }

    fn plan_instant(&self, query: &InstantQuery) -> Result<QueryPlan, QueryError> {
        plan_instant(&query.expr, &self.times(query.time, query.time, 0))
    }

    fn plan_range(&self, query: &RangeQuery) -> Result<(QueryPlan, Grid), QueryError> {
        let step_ms = i64::try_from(query.step.as_millis()).unwrap_or(i64::MAX);
        if step_ms == 0 {
            return Err(QueryError::Invalid(
                "zero or negative query resolution step widths are not accepted. Try a positive integer"
                    .to_owned(),
            ));
        }
        let grid = Grid::new(query.start, query.end, step_ms)?
            .ok_or_else(|| QueryError::Invalid("end timestamp must not be before start time".to_owned()))?;
        if grid.len() as u64 > self.config.max_steps {
            return Err(QueryError::Invalid(format!(
                "exceeded maximum resolution of {} points per timeseries. Try decreasing the query resolution (?step=XX)",
                self.config.max_steps
            )));
        }
        let plan = plan_range(&query.expr, &self.times(query.start, query.end, step_ms))?;
        Ok((plan, grid))
    }

    fn times(&self, start: TimestampMs, end: TimestampMs, step_ms: i64) -> QueryTimes {
        QueryTimes { start, end, step_ms, subquery_step_ms: millis(self.config.subquery_step) }
    }

    fn env(
        &self,
        reader: Reader<'_>,
        report: ReportOptions,
        grid: Grid,
        plan: &QueryPlan,
    ) -> Result<Env, QueryError> {
        let Reader { source, control, lookback, step_ms } = reader;
        let lookback = lookback.filter(|given| !given.is_zero());
        Ok(Env {
            source,
            selections: Arc::default(),
            control: control.clone(),
            lookback_ms: millis(lookback.unwrap_or(self.config.lookback)),
            step_ms,
            delays_names: self.config.features.promql_delayed_name_removal,
            has_type_labels: self.config.features.type_and_unit_labels,
            use_start_timestamps: self.config.features.use_start_timestamps,
            place: Span::default(),
            counts: SampleCounts::new(control, grid, report.samples_per_step)?,
            probe: report.analysis.then(|| Probe::new(plan.explain(), control)),
            annotations: Arc::default(),
        })
    }
}

/// How a query reads.
struct Reader<'a> {
    source: Arc<dyn SeriesSource>,
    control: &'a Control,
    lookback: Option<Duration>,
    step_ms: i64,
}

fn finish((value, held): (Value, Reservation), env: Env, grid: Grid) -> QueryResult {
    let annotations = std::mem::take(&mut *env.annotations.lock());
    let (warnings, infos) = annotations.into_texts();
    let report = Report {
        samples_per_step: env.counts.into_steps(grid),
        analysis: env.probe.map(|probe| probe.finish()),
    };
    QueryResult { value, held, warnings, infos, stats: env.control.stats(), report }
}
