//! Histogram literals: `{{schema:1 sum:5 count:4 buckets:[1 2 1]}}`.

use latewood_model::FloatHistogram;
use latewood_model::histogram::{Buckets, Histogram, ResetHint};

use super::series::number;

/// Reads a literal; whether it has a reset hint.
pub(super) fn parse_histogram(text: &str) -> Result<(FloatHistogram, bool), String> {
    let inside = text.strip_prefix("{{").and_then(|text| text.strip_suffix("}}"));
    let mut rest = inside.ok_or_else(|| format!("bad histogram {text:?}"))?.trim_start();
    let mut histogram = Histogram::default();
    let (mut positive, mut negative) = (Side::default(), Side::default());
    let mut has_hint = false;
    while !rest.is_empty() {
        let (key, after) = rest.split_once(':').ok_or_else(|| format!("expected a key at {rest:?}"))?;
        let (value, after) = split_value(after)?;
        match key {
            "schema" => histogram.schema = whole(value)?,
            "sum" => histogram.sum = float(value)?,
            "count" => histogram.count = float(value)?,
            "z_bucket" => histogram.zero_count = float(value)?,
            "z_bucket_w" => histogram.zero_threshold = float(value)?,
            "custom_values" => histogram.custom_bounds = floats(value)?.into(),
            "buckets" => positive.counts = floats(value)?,
            "offset" => positive.offset = whole(value)?,
            "n_buckets" => negative.counts = floats(value)?,
            "n_offset" => negative.offset = whole(value)?,
            "counter_reset_hint" => {
                histogram.reset_hint = hint(value)?;
                has_hint = true;
            }
            _ => return Err(format!("unknown key {key:?}")),
        }
        rest = after.trim_start();
    }
    (histogram.positive, histogram.negative) = (positive.buckets(), negative.buckets());
    Ok((histogram, has_hint))
}

#[derive(Default)]
struct Side {
    offset: i32,
    counts: Vec<f64>,
}

impl Side {
    fn buckets(self) -> Buckets<f64> {
        Buckets::from_pairs((self.offset..).zip(self.counts))
    }
}

/// A value and what follows it; lists are in brackets.
fn split_value(text: &str) -> Result<(&str, &str), String> {
    let end = if text.starts_with('[') {
        text.find(']').ok_or_else(|| format!("a list has no end at {text:?}"))? + 1
    } else {
        text.find(char::is_whitespace).unwrap_or(text.len())
    };
    Ok(text.split_at(end))
}

fn float(text: &str) -> Result<f64, String> {
    number(text).ok_or_else(|| format!("bad number {text:?}"))
}

fn whole(text: &str) -> Result<i32, String> {
    text.parse().map_err(|_| format!("bad whole number {text:?}"))
}

fn floats(text: &str) -> Result<Vec<f64>, String> {
    let inside = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    inside.ok_or_else(|| format!("bad list {text:?}"))?.split_whitespace().map(float).collect()
}

fn hint(text: &str) -> Result<ResetHint, String> {
    Ok(match text {
        "unknown" => ResetHint::Unknown,
        "reset" => ResetHint::Reset,
        "not_reset" => ResetHint::NoReset,
        "gauge" => ResetHint::Gauge,
        _ => return Err(format!("bad reset hint {text:?}")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_keys_are_read() {
        let text = "{{schema:1 sum:-0.3 count:3.1 z_bucket:7.1 z_bucket_w:0.05 buckets:[5.1 10 7] offset:-3 \
                    n_buckets:[4.1 5] n_offset:5 counter_reset_hint:gauge}}";
        let (histogram, has_hint) = parse_histogram(text).unwrap();
        assert_eq!((histogram.schema, histogram.sum, histogram.zero_count), (1, -0.3, 7.1));
        assert_eq!(histogram.positive.iter().collect::<Vec<_>>(), [(-3, 5.1), (-2, 10.0), (-1, 7.0)]);
        assert_eq!(histogram.negative.iter().collect::<Vec<_>>(), [(5, 4.1), (6, 5.0)]);
        assert!(has_hint && histogram.reset_hint == ResetHint::Gauge);
        let (custom, _) = parse_histogram("{{schema:-53 custom_values:[5 10] buckets:[1 4]}}").unwrap();
        assert_eq!(*custom.custom_bounds, [5.0, 10.0]);
        assert!(parse_histogram("{{count:x}}").is_err() && parse_histogram("{{colour:1}}").is_err());
    }
}
