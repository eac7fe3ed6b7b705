//! Lines of series: `metric{label="value"} 1 2+3x4 _ stale {{count:5 sum:3}}x2`.

use std::sync::Arc;

use latewood_model::{FloatHistogram, Labels, LabelsBuilder, METRIC_NAME, stale_nan};

use super::histogram::parse_histogram;

/// Values that one line may expand to.
const MAX_VALUES: usize = 1_000_000;

/// A value of a series.
#[derive(Clone, Debug, PartialEq)]
pub enum Item {
    /// A float.
    Float(f64),
    /// A native histogram, and whether its reset hint was given.
    Histogram(Arc<FloatHistogram>, bool),
}

/// A series and its values, `None` where there is none.
#[derive(Clone, Debug)]
pub struct SeriesLine {
    /// Which series.
    pub labels: Labels,
    /// Its values at successive steps.
    pub values: Vec<Option<Item>>,
    /// How many milliseconds from its sample each start timestamp is; those that are missing are not there.
    pub starts: Vec<Option<i64>>,
}

/// Reads a line of a series.
///
/// # Errors
/// A text that says what is wrong.
pub fn parse_series(line: &str) -> Result<SeriesLine, String> {
    let (labels, rest) = parse_metric(line)?;
    let (mut values, mut rest) = (Vec::new(), rest.trim_start());
    while !rest.is_empty() {
        let (item, after) = split_item(rest)?;
        if item.starts_with("{{") {
            expand_histograms(item, &mut values)?;
        } else {
            expand(item, &mut values)?;
        }
        rest = after.trim_start();
    }
    Ok(SeriesLine { labels, values, starts: Vec::new() })
}

/// The first item and what follows. Between `{{` and `}}` blanks belong to it.
fn split_item(text: &str) -> Result<(&str, &str), String> {
    let mut end = 0;
    loop {
        let rest = text.get(end..).unwrap_or_default();
        let blank = rest.find(char::is_whitespace).unwrap_or(rest.len());
        match rest.find("{{").filter(|open| *open < blank) {
            None => return Ok(text.split_at(end + blank)),
            Some(_) => end += rest.find("}}").ok_or("a histogram has no end")? + 2,
        }
    }
}

/// `{{…}}`, `{{…}}x3` and `{{…}}+{{…}}x3`.
fn expand_histograms(item: &str, values: &mut Vec<Option<Item>>) -> Result<(), String> {
    let wrong = || format!("bad histogram {item:?}");
    let (text, times) = match item.rsplit_once("}}x") {
        Some((_, count)) => (item.trim_end_matches(|c: char| c != '}'), count.parse().map_err(|_| wrong())?),
        None => (item, 0_usize),
    };
    let mut parts = text.split_inclusive("}}");
    let (first, mut hint) = parse_histogram(parts.next().ok_or_else(wrong)?)?;
    let step = parts.next();
    let (sign, step) = match step.map(|step| step.split_at(1)) {
        Some((sign @ ("+" | "-"), step)) => (sign, Some(parse_histogram(step)?)),
        Some(_) => return Err(wrong()),
        None => ("+", None),
    };
    if parts.next().is_some() || values.len().saturating_add(times) >= MAX_VALUES {
        return Err(wrong());
    }
    hint = step.as_ref().map_or(hint, |step| step.1);
    let mut current = first;
    values.push(Some(Item::Histogram(Arc::new(current.clone()), hint)));
    for _ in 0..times {
        if let Some((step, _)) = &step {
            let next = if sign == "+" { current.add(step) } else { current.sub(step) };
            current = next.map_err(|error| error.to_string())?.0;
        }
        values.push(Some(Item::Histogram(Arc::new(current.clone()), hint)));
    }
    Ok(())
}

fn parse_metric(line: &str) -> Result<(Labels, &str), String> {
    let line = line.trim_start();
    let end = line.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == ':'));
    let (name, mut rest) = line.split_at(end.unwrap_or(line.len()));
    let mut labels = LabelsBuilder::new();
    labels.set(METRIC_NAME, name);
    if let Some(inside) = rest.strip_prefix('{') {
        rest = parse_labels(inside, &mut labels)?;
    }
    Ok((labels.build(), rest))
}

fn parse_labels<'a>(mut rest: &'a str, labels: &mut LabelsBuilder) -> Result<&'a str, String> {
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        if let Some(after) = rest.strip_prefix('}') {
            return Ok(after);
        }
        let (name, after) = if rest.starts_with(['"', '\'', '`']) {
            quoted(rest)?
        } else {
            let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
            let (name, after) = rest.split_at(end.unwrap_or(rest.len()));
            (name.to_owned(), after)
        };
        if name.is_empty() {
            return Err(format!("expected a label name at {rest:?}"));
        }
        rest = match after.trim_start().strip_prefix('=') {
            Some(value) => {
                let (value, after) = quoted(value.trim_start())?;
                labels.set(&name, &value);
                after
            }
            None => {
                labels.set(METRIC_NAME, &name);
                after
            }
        };
    }
}

/// A text in quotes and what follows it.
pub(super) fn quoted(text: &str) -> Result<(String, &str), String> {
    let wrong = || format!("unterminated text at {text:?}");
    let mut chars = text.char_indices();
    let (_, quote) = chars.next().ok_or_else(wrong)?;
    let mut value = String::new();
    while let Some((at, c)) = chars.next() {
        if c == quote {
            return Ok((value, text.get(at + c.len_utf8()..).unwrap_or_default()));
        }
        if c != '\\' || quote == '`' {
            value.push(c);
            continue;
        }
        let (_, escaped) = chars.next().ok_or_else(wrong)?;
        value.push(match escaped {
            'n' => '\n',
            't' => '\t',
            'r' => '\r',
            'u' | 'x' => {
                let digits: String =
                    chars.by_ref().take(if escaped == 'u' { 4 } else { 2 }).map(|(_, digit)| digit).collect();
                let code = u32::from_str_radix(&digits, 16).map_err(|error| error.to_string())?;
                char::from_u32(code).ok_or_else(wrong)?
            }
            other => other,
        });
    }
    Err(wrong())
}

fn expand(item: &str, values: &mut Vec<Option<Item>>) -> Result<(), String> {
    let (item, times) = match item.rsplit_once('x') {
        Some((head, count)) if is_digits(count) => {
            let times = count.parse::<usize>();
            (head, Some(times.map_err(|_| format!("bad repetition in {item:?}"))?))
        }
        _ => (item, None),
    };
    let count = if item == "_" { times.unwrap_or(1) } else { times.map_or(1, |times| times + 1) };
    if values.len().saturating_add(count) > MAX_VALUES {
        return Err(format!("more than {MAX_VALUES} values in a line"));
    }
    let (mut value, step) = match item {
        "_" => (None, 0.0),
        "stale" => (Some(stale_nan()), 0.0),
        _ => {
            let (start, step) = split_step(item)?;
            (Some(start), step)
        }
    };
    for index in 0..count {
        if index > 0 && step != 0.0 {
            value = value.map(|value| value + step);
        }
        values.push(value.map(Item::Float));
    }
    Ok(())
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// `1+2` and `1-2`: a start and a step.
fn split_step(item: &str) -> Result<(f64, f64), String> {
    if let Some(value) = number(item) {
        return Ok((value, 0.0));
    }
    let signs = item.char_indices().skip(1).filter(|(_, c)| matches!(c, '+' | '-'));
    for (at, _) in signs {
        let (start, step) = item.split_at(at);
        if let (Some(start), Some(step)) = (number(start), number(step)) {
            return Ok((start, step));
        }
    }
    Err(format!("bad series item {item:?}"))
}

/// A number as PromQL writes it.
pub(super) fn number(text: &str) -> Option<f64> {
    let plain = text.replace('_', "");
    let (sign, digits) = match plain.strip_prefix('-') {
        Some(digits) => (-1.0, digits),
        None => (1.0, plain.strip_prefix('+').unwrap_or(&plain)),
    };
    if let Some(hex) = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        return u64::from_str_radix(hex, 16).ok().map(|value| sign * value as f64);
    }
    if digits.starts_with(['+', '-']) {
        return None;
    }
    digits.parse::<f64>().ok().map(|value| sign * value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(text: &str) -> Vec<Option<f64>> {
        let floats = parse_series(&format!("m {text}")).unwrap().values.into_iter().map(|item| match item {
            Some(Item::Float(value)) => Some(value),
            _ => None,
        });
        floats.collect()
    }

    #[test]
    fn histograms_expand() {
        let line = parse_series("m 1 {{count:1 sum:2}}+{{count:3}}x2 _ {{}} {{sum:1}}x1").unwrap();
        let counts: Vec<Option<f64>> = line
            .values
            .iter()
            .map(|item| match item {
                Some(Item::Histogram(histogram, _)) => Some(histogram.count),
                _ => None,
            })
            .collect();
        assert_eq!(counts, [None, Some(1.0), Some(4.0), Some(7.0), None, Some(0.0), Some(0.0), Some(0.0)]);
        for bad in ["{{count:1", "{{}}*{{}}x2", "{{}}xy", "{{}}+{{}}+{{}}x1", "{{}}x9999999"] {
            assert!(parse_series(&format!("m {bad}")).is_err(), "{bad}");
        }
    }

    #[test]
    fn items_expand() {
        assert_eq!(values("1+2x2"), [Some(1.0), Some(3.0), Some(5.0)]);
        assert_eq!(values("1-1x1 _ 7x1"), [Some(1.0), Some(0.0), None, Some(7.0), Some(7.0)]);
        assert_eq!(values("_x2 -Inf 1e-3"), [None, None, Some(f64::NEG_INFINITY), Some(0.001)]);
        assert_eq!(values("100x1 0x2"), [100.0, 100.0, 0.0, 0.0, 0.0].map(Some));
        assert!(parse_series("m 1+x").is_err());
        assert!(parse_series("m 1x99999999").is_err());
    }

    #[test]
    fn labels_read_as_in_promql() {
        let line = parse_series(r#"a:b{c="d\"e", 'f.g'='h'} 1"#).unwrap();
        assert_eq!(line.labels.get("c"), Some("d\"e"));
        assert_eq!(line.labels.get("f.g"), Some("h"));
        assert_eq!(parse_series(r#"{"a.b", c="d"} 1"#).unwrap().labels.metric_name(), Some("a.b"));
    }
}
