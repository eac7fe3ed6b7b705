//! Times, spans and sizes as people read them.

use chrono::{DateTime, SecondsFormat};
use latewood_model::{TimeRange, TimestampMs};

/// A time as RFC 3339 in UTC; the milliseconds themselves where no calendar reaches.
pub fn rfc3339(at_ms: TimestampMs) -> String {
    match DateTime::from_timestamp_millis(at_ms) {
        Some(at) => at.to_rfc3339_opts(SecondsFormat::AutoSi, true),
        None => format!("{at_ms} ms"),
    }
}

/// A range as RFC 3339, an interval of ISO 8601; two dots for an end that is open.
pub fn interval(range: TimeRange) -> String {
    let open = || "..".to_owned();
    let start = if range.start == i64::MIN { open() } else { rfc3339(range.start) };
    let end = if range.end == i64::MAX { open() } else { rfc3339(range.end) };
    format!("{start}/{end}")
}

/// Bytes in the largest unit that leaves more than one.
pub fn bytes(count: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    let (mut value, mut unit) = (count as f64, "B");
    for larger in UNITS {
        if value < 1024.0 {
            break;
        }
        (value, unit) = (value / 1024.0, larger);
    }
    if unit == "B" { format!("{count} B") } else { format!("{value:.1} {unit}") }
}

/// How long, in its two largest units.
pub fn duration(millis: i64) -> String {
    let seconds = millis.max(0) / 1_000;
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3_600 => format!("{}m{}s", seconds / 60, seconds % 60),
        3_600..86_400 => format!("{}h{}m", seconds / 3_600, seconds % 3_600 / 60),
        _ => format!("{}d{}h", seconds / 86_400, seconds % 86_400 / 3_600),
    }
}

/// A text, or a dash where there is none.
pub fn or_dash<T: ToString>(value: Option<T>) -> String {
    value.map_or("-".to_owned(), |value| value.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_sizes_and_spans_are_readable_up_to_their_ends() {
        assert_eq!(rfc3339(1_767_225_600_123), "2026-01-01T00:00:00.123Z");
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00Z");
        assert_eq!(rfc3339(i64::MIN), format!("{} ms", i64::MIN));
        assert_eq!(interval(TimeRange::ALL), "../..");
        assert_eq!(interval(TimeRange::new(0, i64::MAX)), "1970-01-01T00:00:00Z/..");
        let sizes = [0, 1_023, 1_536, 5 << 40, u64::MAX].map(bytes);
        assert_eq!(sizes, ["0 B", "1023 B", "1.5 KiB", "5.0 TiB", "16777216.0 TiB"]);
        let spans = [-5, 59_999, 61_000, 7_260_000, 90_000_000].map(duration);
        assert_eq!(spans, ["0s", "59s", "1m1s", "2h1m", "1d1h"]);
    }
}
