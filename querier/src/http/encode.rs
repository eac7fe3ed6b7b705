//! A query's result as JSON.

use latewood_model::histogram::Bucket;
use latewood_model::{FloatHistogram, TimestampMs};
use latewood_promql::{
    HistogramPoint, MatrixSeries, Point, QueryResult, QueryStats, SampleValue, Value, VectorSample,
};

use latewood_proto::store::wire::BucketUsage;

use super::envelope::Answer;
use super::explain::write_analysis;
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
            write_stats(json, &result, timings);
        }
        if let Some(analysis) = &result.report.analysis {
            json.raw(r#","analysis":"#);
            write_analysis(json, analysis);
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
    let timestamp = sample.timestamp;
    match &sample.value {
        SampleValue::Float(value) => {
            json.raw(r#","value":"#);
            write_point(json, Point { timestamp, value: *value });
        }
        SampleValue::Histogram(histogram) => {
            json.raw(r#","histogram":"#);
            write_histogram(json, timestamp, histogram);
        }
    }
    json.raw("}");
}

fn write_series(json: &mut Json, series: &MatrixSeries) {
    json.raw(r#"{"metric":"#);
    json.labels(&series.labels);
    if !series.points.is_empty() || series.histograms.is_empty() {
        json.raw(r#","values":"#);
        json.list(&series.points, |json, point| write_point(json, *point));
    }
    if !series.histograms.is_empty() {
        json.raw(r#","histograms":"#);
        json.list(&series.histograms, |json, HistogramPoint { timestamp, histogram }| {
            write_histogram(json, *timestamp, histogram);
        });
    }
    json.raw("}");
}

/// `[time, {"count": …, "sum": …, "buckets": […]}]`
fn write_histogram(json: &mut Json, timestamp: TimestampMs, histogram: &FloatHistogram) {
    json.raw("[");
    json.timestamp(timestamp);
    json.raw(r#",{"count":"#);
    json.value(histogram.count);
    json.raw(r#","sum":"#);
    json.value(histogram.sum);
    let mut buckets = histogram.all_buckets().filter(|bucket| bucket.count != 0.0).peekable();
    if buckets.peek().is_some() {
        json.raw(r#","buckets":"#);
        json.list(buckets, |json, bucket| write_bucket(json, &bucket));
    }
    json.raw("}]");
}

/// Which ends belong to the bucket, the ends, the count.
fn write_bucket(json: &mut Json, bucket: &Bucket) {
    json.raw("[");
    json.integer(match (bucket.lower_inclusive, bucket.upper_inclusive) {
        (false, true) => 0,
        (true, false) => 1,
        (false, false) => 2,
        (true, true) => 3,
    });
    for number in [bucket.lower, bucket.upper, bucket.count] {
        json.raw(",");
        json.value(number);
    }
    json.raw("]");
}

fn write_point(json: &mut Json, point: Point) {
    json.raw("[");
    json.timestamp(point.timestamp);
    json.raw(",");
    json.value(point.value);
    json.raw("]");
}

/// Timings in seconds. What Prometheus measures apart and we do not is 0; what it does not have stands apart.
fn write_stats(json: &mut Json, result: &QueryResult, timings: Timings) {
    let bucket = timings.bucket;
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
    json.raw(r#","samples":{"#);
    if !result.report.samples_per_step.is_empty() {
        json.raw(r#""totalQueryableSamplesPerStep":"#);
        json.list(&result.report.samples_per_step, |json, (timestamp, samples)| {
            json.raw("[");
            json.number(*timestamp as f64 / 1000.0);
            json.raw(&format!(",{samples}]"));
        });
        json.raw(",");
    }
    let QueryStats { samples_evaluated, peak_samples, .. } = result.stats;
    json.raw(&format!(r#""totalQueryableSamples":{samples_evaluated},"peakSamples":{peak_samples}}}"#));
    let BucketUsage { requests, read_bytes } = bucket;
    json.raw(&format!(r#","latewood":{{"bucketRequests":{requests},"bucketReadBytes":{read_bytes}}}}}"#));
}

#[cfg(test)]
mod tests {
    use latewood_model::histogram::{Buckets, Histogram};

    use super::*;

    #[test]
    fn histograms_are_written_as_prometheus_writes_them() {
        let histogram = Histogram {
            count: 7.5,
            sum: 1e21,
            zero_threshold: 0.001,
            zero_count: 1.0,
            positive: Buckets::from_pairs([(0, 2.0), (2, 0.5)]),
            negative: Buckets::from_pairs([(1, 4.0)]),
            ..Histogram::default()
        };
        let mut json = Json::new();
        write_histogram(&mut json, 1500, &histogram);
        write_histogram(&mut json, 0, &Histogram::default());
        let expected = concat!(
            r#"[1.500,{"count":"7.5","sum":"1e+21","buckets":[[1,"-2","-1","4"],[3,"-0.001","0.001","1"],"#,
            r#"[0,"0.5","1","2"],[0,"2","4","0.5"]]}][0,{"count":"0","sum":"0"}]"#,
        );
        assert_eq!(String::from_utf8(json.into_bytes()).unwrap(), expected);
    }
}
