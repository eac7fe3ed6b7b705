//! A query's result as JSON.

use latewood_promql::{MatrixSeries, Point, QueryResult, QueryStats, Value, VectorSample};

use super::envelope::Answer;
use super::json::Json;
use crate::evaluate::Timings;

/// The warning on a result that was cut to the request's `limit`.
pub(super) const TRUNCATED: &str = "results truncated due to limit";

/// What of a result is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Shape {
    /// The most series; 0 is no limit.
    pub(super) limit: usize,
    /// Whether `stats` are told.
    pub(super) stats: bool,
}

/// The answer to a query.
pub(super) fn encode_result(mut result: QueryResult, timings: Timings, shape: Shape) -> Answer {
    if cut(&mut result.value, shape.limit) {
        result.warnings.push(TRUNCATED.to_owned());
    }
    let data = |json: &mut Json| {
        json.raw(r#"{"resultType":"#);
        json.string(type_name(&result.value));
        json.raw(r#","result":"#);
        write_value(json, &result.value);
        if shape.stats {
            json.raw(r#","stats":"#);
            write_stats(json, &result.stats, timings);
        }
        json.raw("}");
    };
    Answer::annotated(data, &result.warnings, &result.infos)
}

fn cut(value: &mut Value, limit: usize) -> bool {
    fn to<T>(list: &mut Vec<T>, limit: usize) -> bool {
        let over = limit > 0 && list.len() > limit;
        if over {
            list.truncate(limit);
        }
        over
    }
    match value {
        Value::Vector(samples) => to(samples, limit),
        Value::Matrix(series) => to(series, limit),
        Value::Scalar(_) | Value::String { .. } => false,
    }
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Scalar(_) => "scalar",
        Value::String { .. } => "string",
        Value::Vector(_) => "vector",
        Value::Matrix(_) => "matrix",
    }
}

fn write_value(json: &mut Json, value: &Value) {
    match value {
        Value::Scalar(point) => write_point(json, *point),
        Value::String { timestamp, text } => {
            json.raw("[");
            json.timestamp(*timestamp);
            json.raw(",");
            json.string(text);
            json.raw("]");
        }
        Value::Vector(samples) => json.list(samples, write_sample),
        Value::Matrix(series) => json.list(series, write_series),
    }
}

fn write_sample(json: &mut Json, sample: &VectorSample) {
    json.raw(r#"{"metric":"#);
    json.labels(&sample.labels);
    json.raw(r#","value":"#);
    let (timestamp, value) = (sample.timestamp, sample.value);
    write_point(json, Point { timestamp, value });
    json.raw("}");
}

fn write_series(json: &mut Json, series: &MatrixSeries) {
    json.raw(r#"{"metric":"#);
    json.labels(&series.labels);
    json.raw(r#","values":"#);
    json.list(&series.points, |json, point| write_point(json, *point));
    json.raw("}");
}

fn write_point(json: &mut Json, point: Point) {
    json.raw("[");
    json.timestamp(point.timestamp);
    json.raw(",");
    json.value(point.value);
    json.raw("]");
}

/// Timings in seconds. What Prometheus measures apart and we do not is 0.
fn write_stats(json: &mut Json, stats: &QueryStats, timings: Timings) {
    let (queued, evaluated) = (timings.queued.as_secs_f64(), timings.evaluated.as_secs_f64());
    json.raw(r#"{"timings":"#);
    let timings = [
        ("evalTotalTime", evaluated),
        ("resultSortTime", 0.0),
        ("queryPreparationTime", 0.0),
        ("innerEvalTime", evaluated),
        ("execQueueTime", queued),
        ("execTotalTime", queued + evaluated),
    ];
    json.object(timings, Json::number);
    json.raw(r#","samples":"#);
    let samples = [("totalQueryableSamples", stats.samples_evaluated), ("peakSamples", stats.peak_samples)];
    json.object(samples, Json::integer);
    json.raw("}");
}
