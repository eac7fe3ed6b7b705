//! Runs scripts against the engine.

use std::sync::Arc;
use std::time::Duration;

use latewood_base::Clock;
use latewood_model::NO_START;
use latewood_promql::ast::Expr;
use latewood_promql::parse::{ParseOptions, parse};
use latewood_promql::{
    Engine, EngineConfig, Features, InstantQuery, QueryError, QueryResult, RangeQuery, ReportOptions,
    SampleValue, Value,
};

use super::compare::{compare, compare_annotations, fits};
use super::nhcb::convert;
use super::script::{Command, Eval, EvalTimes, ExpectKind, Load, ScriptError, parse_script};
use super::series::Item;
use super::storage::MemorySource;

/// What became of a script.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// How many `eval`s gave what was expected.
    pub passed: usize,
    /// Those that did not.
    pub failures: Vec<Failure>,
    /// Those whose query the parser refuses though it is expected to be good.
    pub unparsed: Vec<Failure>,
}

/// An `eval` that went wrong.
#[derive(Clone, Debug)]
pub struct Failure {
    /// Its line in the script.
    pub line: usize,
    /// What was asked.
    pub query: String,
    /// What is wrong.
    pub reason: String,
}

struct Runner {
    engine: Engine,
    source: Arc<MemorySource>,
    report: Report,
}

enum Outcome {
    Passed,
    Unparsed(String),
}

/// Runs a script with all optional features of the language on.
///
/// # Errors
/// [`ScriptError`] when it cannot be read; what queries do wrong is in the [`Report`].
pub fn run_script(text: &str) -> Result<Report, ScriptError> {
    // As upstream runs its own: types are told by names.
    run_script_with(text, Features { type_and_unit_labels: false, ..Features::ALL })
}

/// Runs a script with these features.
///
/// # Errors
/// [`ScriptError`] when it cannot be read; what queries do wrong is in the [`Report`].
pub fn run_script_with(text: &str, features: Features) -> Result<Report, ScriptError> {
    let config = EngineConfig { features, ..EngineConfig::default() };
    let mut runner =
        Runner { engine: Engine::new(config), source: Arc::default(), report: Report::default() };
    for command in parse_script(text)? {
        match command {
            Command::Clear => {
                runner.source.clear();
            }
            Command::Load(load) => runner.load(&load),
            Command::Eval(eval) => runner.eval(&eval),
        }
    }
    Ok(runner.report)
}

impl Runner {
    fn load(&mut self, load: &Load) {
        let interval = i64::try_from(load.interval.as_millis()).unwrap_or(i64::MAX);
        for line in &load.series {
            let starts = line.starts.iter().copied().chain(std::iter::repeat(None));
            let times = (0..).map(|index: i64| index * interval);
            for ((at, value), start) in times.zip(&line.values).zip(starts) {
                let value = match value {
                    Some(Item::Float(value)) => SampleValue::Float(*value),
                    Some(Item::Histogram(histogram, _)) => SampleValue::Histogram(Arc::clone(histogram)),
                    None => continue,
                };
                let start = start.map_or(NO_START, |start| at.saturating_add(start));
                self.source.add_started(&line.labels, at, value, start);
            }
        }
        let converted = if load.converts { convert(&load.series) } else { Vec::new() };
        for (labels, steps) in converted {
            for (step, histogram) in steps {
                let at = i64::try_from(step).unwrap_or(i64::MAX).saturating_mul(interval);
                self.source.add_histogram(&labels, at, Arc::new(histogram));
            }
        }
    }

    fn eval(&mut self, eval: &Eval) {
        let failure = |reason| Failure { line: eval.line, query: eval.query.clone(), reason };
        let outcome = self.check(eval);
        match outcome {
            Ok(Outcome::Passed) => self.report.passed += 1,
            Ok(Outcome::Unparsed(reason)) => self.report.unparsed.push(failure(reason)),
            Err(reason) => self.report.failures.push(failure(reason)),
        }
    }

    fn check(&self, eval: &Eval) -> Result<Outcome, String> {
        let fails = eval.expects.iter().find(|expect| expect.kind == ExpectKind::Fail);
        let outcome = match parse(&eval.query, &self.options()) {
            Ok(expr) => self.query(&expr, eval.times).map_err(|error| error.to_string()),
            Err(error) if fails.is_none() => return Ok(Outcome::Unparsed(error.to_string())),
            Err(error) => Err(error.to_string()),
        };
        match (outcome, fails) {
            (Err(text), Some(expect)) if fits(expect, &text)? => Ok(Outcome::Passed),
            (Err(text), Some(expect)) => Err(format!("expected {expect:?}, failed with {text:?}")),
            (Err(text), None) => Err(format!("failed: {text}")),
            (Ok(result), Some(_)) => Err(format!("expected a failure, got {:?}", result.value)),
            (Ok(result), None) => {
                compare_annotations(eval, &result)?;
                compare(eval, &result.value)?;
                self.check_as_range(eval, &result.value).map(|()| Outcome::Passed)
            }
        }
    }

    fn query(&self, expr: &Expr, times: EvalTimes) -> Result<QueryResult, QueryError> {
        let control = self.engine.control(&Clock::system(), None);
        let source = Arc::clone(&self.source);
        match times {
            EvalTimes::Instant(time) => {
                let query = InstantQuery {
                    expr: expr.clone(),
                    time,
                    lookback: None,
                    report: ReportOptions::default(),
                };
                self.engine.instant(&query, source, &control)
            }
            EvalTimes::Range { start, end, step } => {
                let query = RangeQuery {
                    expr: expr.clone(),
                    start,
                    end,
                    step: Duration::from_millis(u64::try_from(step).unwrap_or(0)),
                    lookback: None,
                    report: ReportOptions::default(),
                };
                self.engine.range(&query, source, &control)
            }
        }
    }

    /// An instant query gives the same as the middle step of a range query.
    fn check_as_range(&self, eval: &Eval, value: &Value) -> Result<(), String> {
        let (EvalTimes::Instant(at), Ok(expr)) = (eval.times, parse(&eval.query, &self.options())) else {
            return Ok(());
        };
        let ordered = eval.expects.iter().any(|expect| expect.kind == ExpectKind::Ordered);
        let position_matters = ordered || eval.query.contains("start()") || eval.query.contains("end()");
        let by_query = ["range()", "step()"].iter().any(|call| eval.query.contains(call));
        if position_matters || by_query || !matches!(value, Value::Scalar(_) | Value::Vector(_)) {
            return Ok(());
        }
        let times = EvalTimes::Range { start: at - 60_000, end: at + 60_000, step: 60_000 };
        let result = self.query(&expr, times).map_err(|error| format!("as a range query: {error}"))?;
        let middle = middle(result.value, at, matches!(value, Value::Scalar(_)));
        compare(eval, &middle).map_err(|text| format!("as a range query: {text}"))
    }

    fn options(&self) -> ParseOptions {
        ParseOptions { features: self.engine.config().features }
    }
}

/// The values of a matrix at one time.
fn middle(value: Value, at: i64, scalar: bool) -> Value {
    let Value::Matrix(series) = value else {
        return value;
    };
    let samples = series.into_iter().filter_map(|one| {
        let float = one.points.iter().find(|point| point.timestamp == at);
        let float = float.map(|point| SampleValue::Float(point.value));
        let value = float.or_else(|| {
            let point = one.histograms.iter().find(|point| point.timestamp == at)?;
            Some(SampleValue::Histogram(Arc::clone(&point.histogram)))
        })?;
        Some(latewood_promql::VectorSample { labels: one.labels, timestamp: at, value })
    });
    let samples: Vec<_> = samples.collect();
    match samples.first() {
        Some(sample) if scalar => {
            let value = sample.value.as_float().unwrap_or(f64::NAN);
            Value::Scalar(latewood_promql::Point { timestamp: at, value })
        }
        _ => Value::Vector(samples),
    }
}
