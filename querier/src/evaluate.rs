//! Runs a query: waits for a place, pins the view, evaluates off the runtime, stops when the caller goes.

mod reading;

pub(crate) use reading::RawRead;

use std::sync::Arc;
use std::time::Duration;

use latewood_base::{Clock, ErrorKind, Threads, Turns};
use latewood_model::TenantId;
use latewood_model::dedup::ReplicaLabels;
use latewood_promql::plan::Explanation;
use latewood_promql::{Control, Engine, EngineConfig, InstantQuery, QueryError, QueryResult, RangeQuery};
use latewood_proto::store::StoreError;
use latewood_proto::store::wire::BucketUsage;
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use crate::error::store_error;
use crate::fanout::{Coverage, Fanout, FanoutSource, Pinned, Replicas};
use crate::gate::QueryGate;
use crate::metrics::{Metrics, Raised};
use crate::resolutions::SourceResolution;
use crate::results::{RangeCall, Results};
use crate::{ApiError, QuerierConfig};

/// A query of either sort.
#[derive(Clone, Debug)]
pub(crate) enum Query {
    Instant(InstantQuery),
    Range(RangeQuery),
}

/// What a request asks beside the query itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct QueryOptions {
    /// Shortens the configured timeout.
    pub(crate) timeout: Option<Duration>,
    /// Whether sources that fail may be missing.
    pub(crate) partial: bool,
    /// The labels by which HA replicas differ; without any, replicas are series of their own.
    pub(crate) replica_labels: ReplicaLabels,
    /// How coarse what is read may be.
    pub(crate) resolution: SourceResolution,
    /// The query as it was written, if its results may be kept and taken from what is kept.
    pub(crate) cached_as: Option<Arc<str>>,
}

impl QueryOptions {
    /// How replicas are taken, if they are put together.
    fn deduplicated(&self) -> Option<Replicas> {
        (!self.replica_labels.is_empty()).then(|| Replicas::new(self.replica_labels.clone()))
    }
}

/// What a query took.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Timings {
    /// Waiting for a place.
    pub(crate) queued: Duration,
    /// Evaluating.
    pub(crate) evaluated: Duration,
    /// What the bucket was asked for.
    pub(crate) bucket: BucketUsage,
    /// Steps that were not evaluated, because their results were kept.
    pub(crate) cached_steps: u64,
}

/// Evaluates queries over the fan-out.
pub(crate) struct Evaluator {
    engine: Engine,
    fanout: Arc<Fanout>,
    clock: Clock,
    gate: QueryGate,
    /// Threads of its own: evaluations wait for stores, and were they to wait in the lane in which blocks
    /// are decoded, each would keep the other from going on. Long ones lower their thread's priority.
    threads: Threads,
    results: Arc<Results>,
    batches_ahead: usize,
    metrics: Metrics,
}

/// Tells the engine and the fetching tasks that nobody waits for the answer any more.
struct CancelOnDrop {
    control: Control,
    canceled: CancellationToken,
}

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.control.cancel();
        self.canceled.cancel();
    }
}

impl Evaluator {
    pub(crate) fn new(
        config: &QuerierConfig,
        fanout: Arc<Fanout>,
        clock: Clock,
        metrics: Metrics,
        turns: Arc<Turns>,
    ) -> Self {
        let results = Results::new(config.results_cache.clone(), clock.clone(), metrics.results.clone());
        Self {
            engine: Engine::with_turns(engine_config(config), turns),
            results: Arc::new(results),
            fanout,
            clock,
            gate: QueryGate::new(config.max_concurrent_queries, config.max_outstanding_requests_per_tenant),
            threads: Threads::new("query", config.max_concurrent_queries),
            batches_ahead: config.batches_ahead,
            metrics,
        }
    }

    /// Evaluates a query and turns its result into something, both off the runtime and under its control.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        tenant: &TenantId,
        query: Query,
        options: QueryOptions,
        finish: impl Fn(QueryResult, Timings, &Control) -> Result<T, QueryError> + Send + Sync + 'static,
    ) -> Result<T, ApiError> {
        let control = self.engine.control(&self.clock, options.timeout);
        if control.remaining().is_zero() {
            return Err(ApiError::new(ErrorKind::Timeout, "query timed out in query execution"));
        }
        let arrived = self.clock.elapsed();
        let _place = self.gate.enter(tenant, control.remaining()).await?;
        let queued = self.clock.elapsed().saturating_sub(arrived);
        let _running = Raised::new(&self.metrics.queries_running);
        let task = Arc::new(Task {
            engine: self.engine.clone(),
            query,
            clock: self.clock.clone(),
            queued,
            replicas: options.deduplicated().map(Arc::new),
            results: Arc::clone(&self.results),
            options,
            finish,
        });
        let reads = Reading { replicas: task.replicas.clone(), resolution: task.options.resolution };
        let (task, reads, leash) = (&task, &reads, &control);
        let evaluate = move |pinned: Pinned| {
            let task = Arc::clone(task);
            let work = move |source: Arc<FanoutSource>, control: &Control, coverage: &Coverage| {
                task.evaluate(source, control, coverage)
            };
            self.attempt(reads.clone(), pinned, leash, work)
        };
        let read = move |pinned: Pinned| async move {
            let outcome = evaluate(pinned.clone()).await;
            let came_late = reads.replicas.as_ref().is_some_and(|replicas| replicas.take_came_late());
            if came_late && !matches!(outcome, Ok(Ok(_))) {
                return evaluate(pinned).await;
            }
            outcome
        };
        let (evaluated, _) = self.fanout.under_view(tenant, task.options.partial, read).await?;
        Ok(evaluated?)
    }

    /// The plan of a query, made off the runtime.
    pub(crate) async fn explain(&self, query: Query) -> Result<Explanation, ApiError> {
        let engine = self.engine.clone();
        let explained = self.threads.run(move || match &query {
            Query::Instant(query) => engine.explain_instant(query),
            Query::Range(query) => engine.explain_range(query),
        });
        let explained = explained.await;
        Ok(explained.map_err(|error| ApiError::new(ErrorKind::Internal, error.to_string()))??)
    }

    /// One piece of work under one view, within what is left of the query's time and with an account of its own. What the
    /// stores failed with is the outer error.
    async fn attempt<T: Send + 'static>(
        &self,
        reads: Reading,
        pinned: Pinned,
        leash: &Control,
        work: impl FnOnce(Arc<FanoutSource>, &Control, &Coverage) -> Result<T, QueryError> + Send + 'static,
    ) -> Result<Result<T, QueryError>, StoreError> {
        let control = self.engine.control(&self.clock, Some(leash.remaining()));
        let guard = CancelOnDrop { control: control.clone(), canceled: CancellationToken::new() };
        let coverage = Arc::clone(&pinned.coverage);
        let source = Arc::new(FanoutSource {
            fanout: Arc::clone(&self.fanout),
            pinned,
            runtime: Handle::current(),
            control: control.clone(),
            canceled: guard.canceled.clone(),
            batches_ahead: self.batches_ahead,
            replicas: reads.replicas,
            metrics: self.metrics.dedup.clone(),
            resolution: reads.resolution,
            known_spans: Mutex::default(),
        });
        let leash = control.clone();
        let worked = self.threads.run(move || work(source, &leash, &coverage)).await;
        self.metrics.samples_read.inc_by(control.stats().samples_read);
        let worked = worked.map_err(|error| StoreError::new(ErrorKind::Internal, error))?;
        match worked.as_ref().err().and_then(store_error) {
            Some(stale @ StoreError::StaleView { .. }) => {
                self.metrics.stale_views.inc();
                Err(stale.clone())
            }
            _ => Ok(worked),
        }
    }
}

/// How an attempt reads.
#[derive(Clone)]
struct Reading {
    replicas: Option<Arc<Replicas>>,
    resolution: SourceResolution,
}

/// The engine counts points; the API, as Prometheus's, counts the steps between them.
fn engine_config(config: &QuerierConfig) -> EngineConfig {
    EngineConfig { max_steps: config.engine.max_steps.saturating_add(1), ..config.engine.clone() }
}

/// What is the same for all attempts at one query.
struct Task<F> {
    engine: Engine,
    query: Query,
    clock: Clock,
    queued: Duration,
    options: QueryOptions,
    replicas: Option<Arc<Replicas>>,
    results: Arc<Results>,
    finish: F,
}

impl<T, F: Fn(QueryResult, Timings, &Control) -> Result<T, QueryError>> Task<F> {
    /// Evaluates on this thread.
    fn evaluate(
        &self,
        source: Arc<FanoutSource>,
        control: &Control,
        coverage: &Coverage,
    ) -> Result<T, QueryError> {
        let begun = self.clock.elapsed();
        let (mut result, cached_steps) = self.result(source, control)?;
        // The engine takes the warnings of cursors that it read to the end; here are all.
        for warning in coverage.warnings() {
            if !result.warnings.contains(&warning) {
                result.warnings.push(warning);
            }
        }
        let evaluated = self.clock.elapsed().saturating_sub(begun);
        let timings = Timings { queued: self.queued, evaluated, bucket: coverage.bucket(), cached_steps };
        let finished = (self.finish)(result, timings, control);
        // What was made may hold on to the control for long.
        control.rest();
        finished
    }

    /// The result, and how many of its steps were kept.
    fn result(&self, source: Arc<FanoutSource>, control: &Control) -> Result<(QueryResult, u64), QueryError> {
        match (&self.query, &self.options.cached_as) {
            (Query::Instant(query), _) => Ok((self.engine.instant(query, source, control)?, 0)),
            (Query::Range(query), None) => Ok((self.engine.range(query, source, control)?, 0)),
            (Query::Range(query), Some(text)) => self.results.range(&RangeCall {
                engine: &self.engine,
                query,
                text,
                options: &self.options,
                source: &source,
                control,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use latewood_promql::ReportOptions;
    use latewood_promql::parse::{ParseOptions, parse};
    use prometheus_client::registry::Registry;

    use super::*;
    use crate::Stores;
    use crate::testing::catalogs;

    #[tokio::test]
    async fn an_answer_is_not_written_on_when_the_caller_goes() {
        let config = QuerierConfig::default();
        let metrics = Metrics::new(&mut Registry::default());
        let fanout =
            Arc::new(Fanout::new(catalogs(), Stores::default(), Stores::default(), &config, metrics.clone()));
        let evaluator = Evaluator::new(&config, fanout, Clock::system(), metrics, Arc::new(Turns::new(1)));
        let expr = parse("1", &ParseOptions::default()).unwrap();
        let query =
            Query::Instant(InstantQuery { expr, time: 0, lookback: None, report: ReportOptions::default() });
        let (told, heard) = channel();
        let (begun, mut beginning) = tokio::sync::mpsc::unbounded_channel();
        let write_without_end =
            move |_: QueryResult, _: Timings, control: &Control| -> Result<(), QueryError> {
                begun.send(()).unwrap();
                let ended = loop {
                    if let Err(error) = control.check() {
                        break error;
                    }
                };
                told.send(matches!(ended, QueryError::Canceled)).unwrap();
                Err(ended)
            };
        let options = QueryOptions {
            timeout: None,
            partial: false,
            replica_labels: ReplicaLabels::default(),
            resolution: SourceResolution::default(),
            cached_as: None,
        };
        let tenant = TenantId::anonymous();
        tokio::select! {
            ended = evaluator.run(&tenant, query, options, write_without_end) => panic!("ended: {ended:?}"),
            _ = beginning.recv() => {}
        }
        assert!(tokio::task::spawn_blocking(move || heard.recv()).await.unwrap().unwrap());
    }
}
