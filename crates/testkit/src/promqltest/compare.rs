//! Whether a result is the expected one. Values may differ by a millionth, as in Prometheus's runner.

use std::collections::HashMap;

use latewood_model::{FloatHistogram, Labels, TimestampMs, is_stale};
use latewood_promql::{MatrixSeries, QueryResult, SampleValue, Value, VectorSample};
use regex::Regex;

use super::script::{Eval, EvalTimes, Expect, ExpectKind};
use super::series::Item;

/// The relative difference that is allowed.
const EPSILON: f64 = 0.000_001;

/// Compares values; the text says what differs.
pub(super) fn compare(eval: &Eval, value: &Value) -> Result<(), String> {
    match value {
        Value::Scalar(point) => match eval.scalar {
            Some(expected) => close(expected, point.value),
            None => Err(format!("got the scalar {}", point.value)),
        },
        Value::String { text, .. } => match &eval.text {
            Some(expected) if expected == text => Ok(()),
            expected => Err(format!("expected the text {expected:?}, got {text:?}")),
        },
        Value::Vector(samples) => {
            let ordered = eval.expects.iter().any(|expect| expect.kind == ExpectKind::Ordered);
            compare_vector(eval, samples, ordered)
        }
        Value::Matrix(series) => {
            let (start, step) = match (eval.range_vector, eval.times) {
                (Some([start, _, step]), _) => (start, step),
                (None, EvalTimes::Range { start, step, .. }) => (start, step),
                (None, EvalTimes::Instant(at)) => (at, 1),
            };
            compare_matrix(eval, series, start, step)
        }
    }
}

fn compare_vector(eval: &Eval, samples: &[VectorSample], ordered: bool) -> Result<(), String> {
    if eval.scalar.is_some() {
        return Err(format!("expected a scalar, got {samples:?}"));
    }
    let found: HashMap<&Labels, (usize, &SampleValue)> = samples
        .iter()
        .enumerate()
        .map(|(position, sample)| (&sample.labels, (position, &sample.value)))
        .collect();
    for (position, line) in eval.series.iter().enumerate() {
        let Some(Some(expected)) = line.values.first() else {
            return Err(format!("{} has no expected value", line.labels));
        };
        let Some(&(at, value)) = found.get(&line.labels) else {
            return Err(format!("{} is missing in {}", line.labels, show(samples)));
        };
        same(expected, value).map_err(|text| format!("{}: {text}", line.labels))?;
        if ordered && at != position {
            return Err(format!("{} is at {at} instead of {position}", line.labels));
        }
    }
    if samples.len() != eval.series.len() {
        return Err(format!("expected {} elements, got {}", eval.series.len(), show(samples)));
    }
    Ok(())
}

fn show(samples: &[VectorSample]) -> String {
    let texts: Vec<String> =
        samples.iter().map(|sample| format!("{} {}", sample.labels, text(&sample.value))).collect();
    format!("[{}]", texts.join(", "))
}

fn text(value: &SampleValue) -> String {
    match value {
        SampleValue::Float(value) => value.to_string(),
        SampleValue::Histogram(histogram) => format!("{histogram:?}"),
    }
}

/// The values of a series in ascending time.
fn in_order(series: &MatrixSeries) -> Vec<(TimestampMs, SampleValue)> {
    let floats = series.points.iter().map(|point| (point.timestamp, SampleValue::Float(point.value)));
    let histograms = series.histograms.iter();
    let histograms =
        histograms.map(|point| (point.timestamp, SampleValue::Histogram(point.histogram.clone())));
    let mut all: Vec<_> = floats.chain(histograms).collect();
    all.sort_by_key(|(at, _)| *at);
    all
}

fn compare_matrix(eval: &Eval, series: &[MatrixSeries], start: TimestampMs, step: i64) -> Result<(), String> {
    let found: HashMap<&Labels, Vec<(TimestampMs, SampleValue)>> =
        series.iter().map(|one| (&one.labels, in_order(one))).collect();
    for line in &eval.series {
        let times = (0..).map(|index: i64| start + index * step);
        let expected = times.zip(&line.values).filter_map(|(at, value)| Some((at, value.as_ref()?)));
        let expected: Vec<(TimestampMs, &Item)> = expected.collect();
        let points = found.get(&line.labels).map(Vec::as_slice).unwrap_or_default();
        let same_times = expected.iter().map(|point| point.0).eq(points.iter().map(|point| point.0));
        if !same_times {
            return Err(format!("{}: expected {expected:?}, got {points:?}", line.labels));
        }
        for ((at, expected), (_, value)) in expected.iter().zip(points) {
            same(expected, value).map_err(|text| format!("{} at {at}: {text}", line.labels))?;
        }
    }
    if series.len() != eval.series.len() {
        let labels: Vec<String> = series.iter().map(|one| one.labels.to_string()).collect();
        return Err(format!("expected {} series, got {}", eval.series.len(), labels.join(", ")));
    }
    Ok(())
}

fn same(expected: &Item, found: &SampleValue) -> Result<(), String> {
    match (expected, found) {
        (Item::Float(expected), SampleValue::Float(found)) => close(*expected, *found),
        (Item::Histogram(expected, hint_matters), SampleValue::Histogram(found)) => {
            let same_hint = !hint_matters || expected.reset_hint == found.reset_hint;
            let fits = same_hint && close_histograms(expected, found);
            fits.then_some(()).ok_or_else(|| format!("expected {expected:?}, got {found:?}"))
        }
        _ => Err(format!("expected {expected:?}, got {}", text(found))),
    }
}

fn close_histograms(expected: &FloatHistogram, found: &FloatHistogram) -> bool {
    let near = |a: f64, b: f64| close(a, b).is_ok();
    let sides = [(&expected.positive, &found.positive), (&expected.negative, &found.negative)];
    expected.schema == found.schema
        && expected.custom_bounds == found.custom_bounds
        && expected.zero_threshold == found.zero_threshold
        && near(expected.count, found.count)
        && near(expected.sum, found.sum)
        && near(expected.zero_count, found.zero_count)
        && sides
            .into_iter()
            .all(|(a, b)| a.same_layout(b) && a.counts().iter().zip(b.counts()).all(|(a, b)| near(*a, *b)))
}

fn close(expected: f64, found: f64) -> Result<(), String> {
    let same = if is_stale(expected) || is_stale(found) {
        is_stale(expected) && is_stale(found)
    } else if expected.is_nan() || found.is_nan() {
        expected.is_nan() && found.is_nan()
    } else if expected == found {
        true
    } else {
        let (difference, sum) = ((expected - found).abs(), expected.abs() + found.abs());
        if expected == 0.0 || found == 0.0 || sum < f64::MIN_POSITIVE {
            difference < EPSILON * f64::MIN_POSITIVE
        } else {
            difference / sum.min(f64::MAX) < EPSILON
        }
    };
    same.then_some(()).ok_or_else(|| format!("expected {expected}, got {found}"))
}

/// Compares warnings and infos.
pub(super) fn compare_annotations(eval: &Eval, result: &QueryResult) -> Result<(), String> {
    for expect in &eval.expects {
        let (texts, wanted) = match expect.kind {
            ExpectKind::Warn => (&result.warnings, true),
            ExpectKind::NoWarn => (&result.warnings, false),
            ExpectKind::Info => (&result.infos, true),
            ExpectKind::NoInfo => (&result.infos, false),
            ExpectKind::Fail | ExpectKind::Ordered => continue,
        };
        let found = texts.iter().map(|text| fits(expect, text)).collect::<Result<Vec<bool>, String>>()?;
        if found.contains(&true) != wanted {
            return Err(format!("expected {expect:?}, got {texts:?}"));
        }
    }
    Ok(())
}

/// A text without the place in the query at its end.
fn without_place(text: &str) -> &str {
    let Some((bare, place)) = text.strip_suffix(')').and_then(|text| text.rsplit_once(" (")) else {
        return text;
    };
    let is_place = |place: &str| place.bytes().all(|b| b.is_ascii_digit() || b == b':');
    if is_place(place) { bare } else { text }
}

/// Whether a text is the one that an `expect` line wants.
pub(super) fn fits(expect: &Expect, text: &str) -> Result<bool, String> {
    if let Some(message) = &expect.message {
        // A script may leave the place out, but not give another one.
        return Ok(message == text || message == without_place(text));
    }
    match &expect.regex {
        Some(regex) => Regex::new(regex).map(|regex| regex.is_match(text)).map_err(|error| error.to_string()),
        None => Ok(true),
    }
}
