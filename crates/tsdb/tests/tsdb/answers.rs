//! What the Prometheus that wrote a block answered: all samples but stale markers.

use latewood_model::{FloatHistogram, Labels, SeriesSamples, is_stale};
use serde_json::Value;

/// A sample: labels, time in milliseconds, and the numbers of the value.
pub type Line = (String, i64, Vec<String>);

/// The samples of an answer to a query of a range, sorted.
pub fn parse(json: &str) -> Vec<Line> {
    let answer: Value = serde_json::from_str(json).unwrap();
    let mut lines = Vec::new();
    for series in answer["data"]["result"].as_array().unwrap() {
        let labels: std::collections::BTreeMap<String, String> =
            serde_json::from_value(series["metric"].clone()).unwrap();
        let labels = Labels::from_pairs(labels).to_string();
        let points = |name: &str| series[name].as_array().cloned().unwrap_or_default();
        let line = |point: &Value, numbers| {
            (labels.clone(), (point[0].as_f64().unwrap() * 1000.0).round() as i64, numbers)
        };
        lines.extend(points("values").iter().map(|point| line(point, vec![number(&point[1])])));
        lines.extend(points("histograms").iter().map(|point| line(point, numbers_of(&point[1]))));
    }
    lines.sort();
    lines
}

/// Count and sum, then of each bucket its bounds and its count.
fn numbers_of(histogram: &Value) -> Vec<String> {
    let buckets = histogram["buckets"].as_array().cloned().unwrap_or_default();
    let buckets =
        buckets.iter().flat_map(|bucket| [number(&bucket[1]), number(&bucket[2]), number(&bucket[3])]);
    [number(&histogram["count"]), number(&histogram["sum"])].into_iter().chain(buckets).collect()
}

fn number(value: &Value) -> String {
    printed(value.as_str().unwrap().parse().unwrap())
}

/// Of NaNs an answer has one, and of zero no sign.
fn printed(number: f64) -> String {
    if number == 0.0 { "0".to_owned() } else { format!("{number:?}") }
}

/// The same samples of series that were read.
pub fn lines(series: &[SeriesSamples]) -> Vec<Line> {
    let mut lines = Vec::new();
    for one in series {
        let labels = one.labels.to_string();
        let floats = one.samples().filter(|sample| !is_stale(sample.value));
        lines.extend(floats.map(|sample| (labels.clone(), sample.timestamp, vec![printed(sample.value)])));
        for sample in one.histograms.iter().filter(|sample| !sample.histogram.is_stale()) {
            lines.push((labels.clone(), sample.timestamp, numbers(&sample.histogram.to_float())));
        }
    }
    lines.sort();
    lines
}

fn numbers(histogram: &FloatHistogram) -> Vec<String> {
    let buckets = histogram.all_buckets().filter(|bucket| bucket.count != 0.0);
    let buckets = buckets.flat_map(|bucket| [bucket.lower, bucket.upper, bucket.count]);
    [histogram.count, histogram.sum].into_iter().chain(buckets).map(printed).collect()
}
