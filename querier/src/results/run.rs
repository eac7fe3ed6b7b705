//! Answers a range query from what is kept and from what is evaluated, and keeps what it may.
//!
//! Blocks: runs on the query's thread, under its control.

use std::sync::Arc;

use latewood_base::Clock;
use latewood_model::TimeRange;
use latewood_promql::{
    Control, Engine, QueryError, QueryResult, RangeQuery, Report, SeriesSource, Value, with_room,
};

use super::asked::Asked;
use super::cache::ResultsCache;
use super::config::ResultsCacheConfig;
use super::entry::Entry;
use super::join::{Piece, join};
use super::metrics::ResultsMetrics;
use super::notes::Notes;
use super::plan::{Part, Plan};
use super::sources::Surroundings;
use super::update::{Fresh, Update};
use crate::evaluate::QueryOptions;
use crate::fanout::FanoutSource;

/// A range query and what it is evaluated with.
pub(crate) struct RangeCall<'a> {
    pub(crate) engine: &'a Engine,
    pub(crate) query: &'a RangeQuery,
    /// The query as it was written.
    pub(crate) text: &'a str,
    pub(crate) options: &'a QueryOptions,
    pub(crate) source: &'a Arc<FanoutSource>,
    pub(crate) control: &'a Control,
}

/// Answers range queries, from what is kept where that is the same.
pub(crate) struct Results {
    config: ResultsCacheConfig,
    cache: ResultsCache,
    clock: Clock,
    metrics: ResultsMetrics,
}

/// An answer and how many of its steps were kept.
type Answered = (QueryResult, u64);

impl Results {
    pub(crate) fn new(config: ResultsCacheConfig, clock: Clock, metrics: ResultsMetrics) -> Self {
        let cache = ResultsCache::new(config.max_bytes, metrics.clone());
        Self { config, cache, clock, metrics }
    }

    /// Answers a range query.
    ///
    /// # Errors
    /// As the engine's evaluation of the whole.
    pub(crate) fn range(&self, call: &RangeCall<'_>) -> Result<Answered, QueryError> {
        match self.put_together(call)? {
            Some(answered) => Ok(answered),
            None => Ok((call.evaluate(call.query)?, 0)),
        }
    }

    /// An answer put together; none where the whole query is to be evaluated, and nothing of it kept.
    fn put_together(&self, call: &RangeCall<'_>) -> Result<Option<Answered>, QueryError> {
        let Some(asked) = Asked::of(&self.config, call, self.clock.now_ms()) else { return Ok(None) };
        let entry = self.cache.get(&asked.key).unwrap_or_default();
        if entry.held.is_empty() && asked.steps.start > asked.keep_until {
            return Ok(None);
        }
        let Some(heads) = call.source.spans() else { return Ok(None) };
        let near = [entry.steps(), asked.steps].map(|steps| asked.reads(steps)).concat();
        let around = Surroundings::new(&call.source.pinned.view, &heads, &near);
        let plan = Plan::new(&asked, &entry, call.text, &around);
        let Some((result, fresh)) = evaluate(call, &plan, &entry)? else { return Ok(None) };
        let cached = self.count(&asked, &plan);
        let update = Update { asked: &asked, around: &around, entry: &entry, text: call.text };
        if update.plan(&fresh, call.engine.config().max_steps).is_some() {
            self.keep(call, &update, &near, &result, &fresh)?;
        }
        Ok(Some((result, cached)))
    }

    /// How many steps were kept.
    fn count(&self, asked: &Asked, plan: &Plan) -> u64 {
        let kept = plan.parts.iter().filter(|part| matches!(part, Part::Kept(..)));
        let cached: u64 = kept.map(|part| asked.grid.count(part.steps())).sum();
        let all = asked.grid.count(asked.steps);
        self.metrics.requests.inc();
        self.metrics.steps.inc_by(all);
        self.metrics.cached_steps.inc_by(cached);
        self.metrics.outdated.inc_by(plan.outdated);
        match cached {
            0 => {}
            _ if cached == all => _ = self.metrics.hits.inc(),
            _ => _ = self.metrics.partial_hits.inc(),
        }
        cached
    }

    /// Keeps what was evaluated, of an answer that lacks no source, if it is still what ingesters know nothing newer of.
    fn keep(
        &self,
        call: &RangeCall<'_>,
        before: &Update<'_>,
        near: &[TimeRange],
        result: &QueryResult,
        fresh: &[Fresh],
    ) -> Result<(), QueryError> {
        let pinned = &call.source.pinned;
        let Value::Matrix(series) = &result.value else { return Ok(()) };
        if !pinned.coverage.warnings().is_empty() {
            return Ok(());
        }
        // A sample may have come since, and some of the reads may have seen it.
        let Some(heads) = call.source.spans() else { return Ok(()) };
        let around = Surroundings::new(&pinned.view, &heads, near);
        let update = Update { around: &around, ..*before };
        let max_steps = call.engine.config().max_steps;
        let Some(next) = update.plan(fresh, max_steps) else { return Ok(()) };
        match update.fill(next, series, self.cache.largest(), call.control)? {
            Some(entry) => self.cache.put(update.asked.key.clone(), entry),
            None => _ = self.metrics.too_large.inc(),
        }
        Ok(())
    }
}

impl RangeCall<'_> {
    fn evaluate(&self, query: &RangeQuery) -> Result<QueryResult, QueryError> {
        let source: Arc<dyn SeriesSource> = Arc::clone(self.source) as _;
        self.engine.range(query, source, self.control)
    }

    fn evaluate_steps(&self, steps: TimeRange) -> Result<QueryResult, QueryError> {
        let query = with_room(self.query.expr.levels(), || self.query.clone())?;
        self.evaluate(&RangeQuery { start: steps.start, end: steps.end, ..query })
    }
}

/// An answer, and what of it is new; none where the query must be evaluated as a whole.
type Evaluated = Option<(QueryResult, Vec<Fresh>)>;

fn evaluate(call: &RangeCall<'_>, plan: &Plan, entry: &Entry) -> Result<Evaluated, QueryError> {
    match plan.parts.as_slice() {
        [Part::Missing(steps)] => {
            let result = call.evaluate(call.query)?;
            let notes = Notes { warnings: result.warnings.clone(), infos: result.infos.clone() };
            Ok(Some((result, vec![Fresh { steps: *steps, notes }])))
        }
        parts => evaluate_parts(call, parts, entry),
    }
}

fn evaluate_parts(call: &RangeCall<'_>, parts: &[Part], entry: &Entry) -> Result<Evaluated, QueryError> {
    let (mut pieces, mut fresh, mut kept) = (Vec::new(), Vec::new(), Vec::new());
    let mut held = call.control.reserve(0)?;
    for part in parts {
        let steps = match part {
            Part::Kept(steps, notes) => {
                pieces.push(Piece::Kept(*steps));
                kept.push(notes);
                continue;
            }
            Part::Missing(steps) => *steps,
        };
        let result = match call.evaluate_steps(steps) {
            Ok(result) => result,
            Err(error) if is_about_the_data(&error) => return Ok(None),
            Err(error) => return Err(error),
        };
        let Value::Matrix(series) = result.value else { return Ok(None) };
        pieces.push(Piece::Evaluated(series));
        held.absorb(result.held);
        fresh.push(Fresh { steps, notes: Notes { warnings: result.warnings, infos: result.infos } });
    }
    let all = kept.into_iter().chain(fresh.iter().map(|fresh| &fresh.notes));
    let Some(Notes { warnings, infos }) = Notes::union(all) else { return Ok(None) };
    let (series, held) = join(pieces, entry, held, call.control)?;
    let (value, stats, report) = (Value::Matrix(series), call.control.stats(), Report::default());
    Ok(Some((QueryResult { value, held, warnings, infos, stats, report }, fresh)))
}

/// Whether the whole query fails too: with which text, its evaluation says.
fn is_about_the_data(error: &QueryError) -> bool {
    !matches!(error, QueryError::Source(_) | QueryError::Timeout | QueryError::Canceled)
}
