//! A query's result as JSON.

use latewood_model::histogram::Bucket;
use latewood_model::{FloatHistogram, TimestampMs};
use latewood_promql::{
    Control, HistogramPoint, MatrixSeries, Point, QueryError, QueryResult, QueryStats, Report, Reservation,
    SampleValue, Value, VectorSample,
};

use latewood_proto::store::wire::BucketUsage;

use super::envelope::{self, Answer};
use super::explain::write_analysis;
use super::json::Json;
use super::pages::Pages;
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

/// The answer to a query, written under its control. The value goes as it is written.
pub(super) fn encode_result(
    result: QueryResult,
    timings: Timings,
    shape: Shape,
    control: &Control,
) -> Result<Answer, QueryError> {
    let QueryResult { mut value, mut held, mut warnings, infos, stats, report } = result;
    if cut(&mut value, shape.limit) {
        warnings.push(TRUNCATED.to_owned());
    }
    let mut pages = Pages::new(control)?;
    let json = pages.json();
    envelope::open(json);
    json.raw(r#"{"resultType":"#);
    json.string(type_name(&value));
    json.raw(r#","result":"#);
    write_value(&mut pages, value, &mut held)?;
    let json = pages.json();
    if shape.stats {
        json.raw(r#","stats":"#);
        write_stats(json, stats, &report, timings);
    }
    if let Some(analysis) = &report.analysis {
        json.raw(r#","analysis":"#);
        write_analysis(json, analysis);
    }
    json.raw("}");
    envelope::close(json, &warnings, &infos);
    pages.finish().map(Answer::of_pages)
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

fn write_value(pages: &mut Pages<'_>, value: Value, held: &mut Reservation) -> Result<(), QueryError> {
    match value {
        Value::Scalar(Point { timestamp, value }) => {
            let json = pages.json();
            json.raw("[");
            json.timestamp(timestamp);
            json.raw(",");
            json.scalar(value);
            json.raw("]");
        }
        Value::String { timestamp, text } => {
            let json = pages.json();
            json.raw("[");
            json.timestamp(timestamp);
            json.raw(",");
            json.string(&text);
            json.raw("]");
        }
        Value::Vector(samples) => pages.list(samples, |pages, sample| {
            write_sample(pages.json(), &sample);
            Ok(())
        })?,
        Value::Matrix(series) => pages.list(series, |pages, series| {
            write_series(pages, &series)?;
            held.shrink(series.size() as u64);
            Ok(())
        })?,
    }
    Ok(())
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

fn write_series(pages: &mut Pages<'_>, series: &MatrixSeries) -> Result<(), QueryError> {
    pages.json().raw(r#"{"metric":"#);
    pages.json().labels(&series.labels);
    if !series.points.is_empty() || series.histograms.is_empty() {
        pages.json().raw(r#","values":"#);
        pages.list(&series.points, |pages, point| {
            write_point(pages.json(), *point);
            Ok(())
        })?;
    }
    if !series.histograms.is_empty() {
        pages.json().raw(r#","histograms":"#);
        pages.list(&series.histograms, |pages, HistogramPoint { timestamp, histogram }| {
            write_histogram(pages.json(), *timestamp, histogram);
            Ok(())
        })?;
    }
    pages.json().raw("}");
    Ok(())
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
fn write_stats(json: &mut Json, stats: QueryStats, report: &Report, timings: Timings) {
    let Timings { bucket, cached_steps, .. } = timings;
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
    if !report.samples_per_step.is_empty() {
        json.raw(r#""totalQueryableSamplesPerStep":"#);
        json.list(&report.samples_per_step, |json, (timestamp, samples)| {
            json.raw("[");
            json.number(*timestamp as f64 / 1000.0);
            json.raw(&format!(",{samples}]"));
        });
        json.raw(",");
    }
    let QueryStats { samples_evaluated, peak_samples, .. } = stats;
    json.raw(&format!(r#""totalQueryableSamples":{samples_evaluated},"peakSamples":{peak_samples}}}"#));
    let BucketUsage { requests, read_bytes } = bucket;
    json.raw(&format!(r#","latewood":{{"bucketRequests":{requests},"bucketReadBytes":{read_bytes},"#));
    json.raw(&format!(r#""cachedSteps":{cached_steps}}}}}"#));
}

#[cfg(test)]
mod tests {
    use latewood_base::Clock;
    use latewood_model::Labels;
    use latewood_model::histogram::{Buckets, Histogram};
    use latewood_promql::QueryLimits;

    use super::*;

    /// A result of so many series of 10,000 points, booked.
    fn long_result(control: &Control, series: usize) -> QueryResult {
        let points: Vec<Point> = (0..10_000)
            .map(|number| Point { timestamp: number * 1000, value: 1.0 / number as f64 })
            .collect();
        let series: Vec<_> = (0..series)
            .map(|number| MatrixSeries {
                labels: Labels::from_pairs([("number", number.to_string().as_str())]),
                points: points.clone(),
                histograms: Vec::new(),
            })
            .collect();
        let held = control.reserve(series.iter().map(|series| series.size() as u64).sum()).unwrap();
        let (warnings, infos, report) = (Vec::new(), Vec::new(), Report::default());
        let value = Value::Matrix(series);
        QueryResult { value, held, warnings, infos, stats: QueryStats::default(), report }
    }

    fn encode(control: &Control, series: usize) -> Result<Answer, QueryError> {
        encode_result(long_result(control, series), Timings::default(), Shape::default(), control)
    }

    #[test]
    fn what_is_written_takes_the_place_of_what_was_computed() {
        let control = Control::new(Clock::manual(0).0, QueryLimits::NONE);
        let computed = long_result(&control, 50);
        let computed = (control.bytes(), drop(computed)).0;
        let answer = encode(&control, 50).unwrap();
        let written = control.bytes();
        assert!(written > computed, "{written}");
        // The longer of the two, and little more.
        assert!(control.stats().peak_bytes < written + computed / 10, "{:?}", control.stats());
        drop(answer);
        assert_eq!(control.bytes(), 0);
    }

    #[test]
    fn an_answer_beyond_the_memory_of_a_query_is_refused() {
        let limits = QueryLimits { max_bytes: 9_000_000, ..QueryLimits::NONE };
        let control = Control::new(Clock::manual(0).0, limits);
        let refused = encode(&control, 50);
        assert!(matches!(refused, Err(QueryError::TooMuchMemory { limit: 9_000_000 })), "{refused:?}");
        assert_eq!(control.bytes(), 0);
    }

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
