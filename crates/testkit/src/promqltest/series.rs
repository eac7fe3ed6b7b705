//! Lines of series: `metric{label="value"} 1 2+3x4 _ stale`.

use latewood_model::{Labels, LabelsBuilder, METRIC_NAME, stale_nan};

/// Values that one line may expand to.
const MAX_VALUES: usize = 1_000_000;

/// A series and its values, `None` where there is none.
#[derive(Clone, Debug)]
pub struct SeriesLine {
    /// Which series.
    pub labels: Labels,
    /// Its values at successive steps.
    pub values: Vec<Option<f64>>,
    /// Whether it has native histograms, which are left out.
    pub has_histograms: bool,
    /// Whether its samples have start timestamps, which are left out.
    pub has_starts: bool,
}

/// Reads a line of a series.
///
/// # Errors
/// A text that says what is wrong.
pub fn parse_series(line: &str) -> Result<SeriesLine, String> {
    let (labels, rest) = parse_metric(line)?;
    if rest.contains("{{") {
        return Ok(SeriesLine { labels, values: Vec::new(), has_histograms: true, has_starts: false });
    }
    let mut values = Vec::new();
    for item in rest.split_whitespace() {
        expand(item, &mut values)?;
    }
    Ok(SeriesLine { labels, values, has_histograms: false, has_starts: false })
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

fn expand(item: &str, values: &mut Vec<Option<f64>>) -> Result<(), String> {
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
        values.push(value);
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
        parse_series(&format!("m {text}")).unwrap().values
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
