//! Prometheus's text format, as its own `/federate` writes it: all types but that of native histograms are unknown, every
//! series has a label `instance`, and times are there. Of a native histogram are count and sum.

use std::fmt::Write;

use latewood_model::{Labels, METRIC_NAME, NativeHistogram, TimestampMs, is_stale};
use latewood_promql::print::general;

/// The newest sample of a series.
#[derive(Clone, Debug)]
pub(super) enum Newest {
    Float(f64),
    Histogram(NativeHistogram),
}

impl Newest {
    pub(super) fn is_stale(&self) -> bool {
        match self {
            Self::Float(value) => is_stale(*value),
            Self::Histogram(histogram) => histogram.is_stale(),
        }
    }
}

/// Series of one name, of which none is without a sample.
pub(super) type Family = Vec<(Labels, (TimestampMs, Newest))>;

/// Writes families; names that are no classic ones in quotes, or with underscores where such have none.
pub(super) fn write(families: &[Family], takes_utf8: bool) -> String {
    let mut out = String::new();
    for family in families {
        let Some((labels, (_, newest))) = family.first() else { continue };
        let kind = if matches!(newest, Newest::Float(_)) { "untyped" } else { "histogram" };
        let name = labels.metric_name().unwrap_or_default();
        let line = Line { name, labels, takes_utf8 };
        out.push_str("# TYPE ");
        line.name(&mut out, "");
        let _ = writeln!(out, " {kind}");
        for (labels, (at, newest)) in family {
            sample(&mut out, &Line { name, labels, takes_utf8 }, *at, newest);
        }
    }
    out
}

fn sample(out: &mut String, line: &Line<'_>, at: TimestampMs, newest: &Newest) {
    match newest {
        Newest::Float(value) => line.write(out, ("", false), *value, at),
        Newest::Histogram(histogram) => {
            let histogram = histogram.to_float();
            line.write(out, ("_bucket", true), histogram.count, at);
            line.write(out, ("_sum", false), histogram.sum, at);
            line.write(out, ("_count", false), histogram.count, at);
        }
    }
}

/// What the lines of a series have in common.
struct Line<'a> {
    name: &'a str,
    labels: &'a Labels,
    takes_utf8: bool,
}

impl Line<'_> {
    fn name(&self, out: &mut String, suffix: &str) {
        let name = format!("{}{suffix}", self.name);
        match self.takes_utf8 && !is_classic(&name, true) {
            true => quoted(out, &name),
            false => out.push_str(&underscored(&name, true)),
        }
    }

    fn write(&self, out: &mut String, (suffix, is_last_bucket): (&str, bool), value: f64, at: TimestampMs) {
        let name = format!("{}{suffix}", self.name);
        let is_inside = self.takes_utf8 && !is_classic(&name, true);
        if !is_inside {
            self.name(out, suffix);
        }
        out.push('{');
        if is_inside {
            quoted(out, &name);
            out.push(',');
        }
        let has_instance = self.labels.get("instance").is_some();
        let own = self.labels.iter().filter(|(name, _)| *name != METRIC_NAME);
        let added = [("instance", ""), ("le", "+Inf")].into_iter().zip([!has_instance, is_last_bucket]);
        let added = added.filter_map(|(pair, is_needed)| is_needed.then_some(pair));
        for (place, (name, value)) in own.chain(added).enumerate() {
            if place > 0 {
                out.push(',');
            }
            match self.takes_utf8 && !is_classic(name, false) {
                true => quoted(out, name),
                false => out.push_str(&underscored(name, false)),
            }
            out.push('=');
            quoted(out, value);
        }
        let _ = writeln!(out, "}} {} {at}", general(value));
    }
}

fn quoted(out: &mut String, text: &str) {
    out.push('"');
    for character in text.chars() {
        match character {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '"' => out.push_str("\\\""),
            other => out.push(other),
        }
    }
    out.push('"');
}

fn may_stand(place: usize, character: char, is_metric: bool) -> bool {
    character.is_ascii_alphabetic()
        || character == '_'
        || character == ':' && is_metric
        || place > 0 && character.is_ascii_digit()
}

fn is_classic(name: &str, is_metric: bool) -> bool {
    !name.is_empty() && name.chars().enumerate().all(|(place, one)| may_stand(place, one, is_metric))
}

fn underscored(name: &str, is_metric: bool) -> String {
    let characters = name.chars().enumerate();
    characters.map(|(place, one)| if may_stand(place, one, is_metric) { one } else { '_' }).collect()
}

#[cfg(test)]
mod tests {
    use latewood_model::histogram::IntegerHistogram;

    use super::*;

    #[test]
    fn of_a_native_histogram_are_count_and_sum() {
        let histogram = IntegerHistogram { count: 7, zero_count: 7, sum: 1.5, ..IntegerHistogram::default() };
        let labels = Labels::from_pairs([("__name__", "took_seconds"), ("job", "a")]);
        let family = vec![(labels, (9, Newest::Histogram(NativeHistogram::from(histogram))))];
        let lines = [
            "# TYPE took_seconds histogram",
            "took_seconds_bucket{job=\"a\",instance=\"\",le=\"+Inf\"} 7 9",
            "took_seconds_sum{job=\"a\",instance=\"\"} 1.5 9",
            "took_seconds_count{job=\"a\",instance=\"\"} 7 9",
            "",
        ];
        assert_eq!(write(&[family], false), lines.join("\n"));
    }
}
