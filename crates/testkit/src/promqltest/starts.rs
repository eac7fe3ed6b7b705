//! Items of start timestamps: `_x2 -30s -1m-1mx3 0s`, each the distance from its sample to its start timestamp.

use latewood_promql::parse_duration;

/// Items that one line may expand to.
const MAX_ITEMS: usize = 1_000_000;

/// The distances in milliseconds, `None` where a sample has no start timestamp.
pub(super) fn parse_starts(items: &str) -> Result<Vec<Option<i64>>, String> {
    let mut starts = Vec::new();
    for item in items.split_whitespace() {
        let (item, times) = match item.rsplit_once('x') {
            Some((item, times)) => (item, times.parse::<usize>().map_err(|_| format!("bad item {item:?}"))?),
            None => (item, 0),
        };
        let count = if item == "_" { times.max(1) } else { times + 1 };
        if starts.len().saturating_add(count) > MAX_ITEMS {
            return Err(format!("more than {MAX_ITEMS} items in a line"));
        }
        if item == "_" {
            starts.resize(starts.len() + count, None);
            continue;
        }
        let step = item.char_indices().skip(1).find(|(_, c)| matches!(c, '+' | '-'));
        let (first, step) = item.split_at(step.map_or(item.len(), |(at, _)| at));
        let (first, step) = (distance(first)?, if step.is_empty() { 0 } else { distance(step)? });
        starts.extend((0..).take(count).map(|index: i64| Some(first + index * step)));
    }
    Ok(starts)
}

/// A duration with a sign.
fn distance(text: &str) -> Result<i64, String> {
    let (sign, length) = match text.strip_prefix('-') {
        Some(length) => (-1, length),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    if length == "0" {
        return Ok(0);
    }
    let length = parse_duration(length)?.as_millis();
    i64::try_from(length).map(|length| sign * length).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_expand() {
        let starts = parse_starts("_ _x2 -30s -1m-1mx2 -1ms 0 1ms").unwrap();
        let expected =
            [None, None, None, Some(-30_000), Some(-60_000), Some(-120_000), Some(-180_000), Some(-1)];
        assert_eq!(starts[..8], expected);
        assert_eq!(starts[8..], [Some(0), Some(1)]);
        assert!(parse_starts("-1mxy").is_err() && parse_starts("x").is_err());
        assert!(parse_starts("_x99999999").is_err());
    }
}
