//! Times and durations as Prometheus's API reads them.

use std::time::Duration;

use chrono::DateTime;
use latewood_model::TimestampMs;
use latewood_promql::parse_duration as parse_prometheus_duration;

use crate::ApiError;

/// What Prometheus's Go client sends for the least and the greatest time that Go can hold.
const MIN_TIME: &str = "-292273086-05-16T16:47:06Z";
const MAX_TIME: &str = "292277025-08-18T07:12:54.999999999Z";

/// Seconds beyond which a number is no time: 2^53 ms, where a float still tells milliseconds apart.
const MAX_SECONDS: f64 = 9_007_199_254_740.0;

/// A parameter that is a time: seconds since the Unix epoch, with a fraction, or RFC 3339.
pub(super) fn parse_time(name: &str, text: &str) -> Result<TimestampMs, ApiError> {
    let wrong = || ApiError::parameter(name, format!("cannot parse {text:?} to a valid timestamp"));
    if let Ok(seconds) = text.parse::<f64>() {
        return from_seconds(seconds).ok_or_else(wrong);
    }
    match text {
        MIN_TIME => Ok(i64::MIN),
        MAX_TIME => Ok(i64::MAX),
        _ => DateTime::parse_from_rfc3339(text).map(|at| at.timestamp_millis()).map_err(|_| wrong()),
    }
}

/// The same with a default for a parameter that is not given.
pub(super) fn parse_time_or(name: &str, text: &str, default: TimestampMs) -> Result<TimestampMs, ApiError> {
    if text.is_empty() { Ok(default) } else { parse_time(name, text) }
}

/// A parameter that is a duration: seconds with a fraction, or such as `1m30s`. May be negative.
/// Milliseconds; what is finer is cut off.
pub(super) fn parse_duration_ms(name: &str, text: &str) -> Result<i64, ApiError> {
    let wrong =
        |more: &str| ApiError::parameter(name, format!("cannot parse {text:?} to a valid duration{more}"));
    if let Ok(seconds) = text.parse::<f64>() {
        return if seconds.is_nan() || seconds.abs() > i64::MAX as f64 / 1e9 {
            Err(wrong(". It overflows int64"))
        } else {
            Ok((seconds * 1e3) as i64)
        };
    }
    let duration = parse_prometheus_duration(text).map_err(|_| wrong(""))?;
    i64::try_from(duration.as_millis()).map_err(|_| wrong(". It overflows int64"))
}

/// A parameter that is a duration, where it is given; less than nothing is nothing.
pub(super) fn parse_optional_duration(name: &str, text: &str) -> Result<Option<Duration>, ApiError> {
    if text.is_empty() {
        return Ok(None);
    }
    let milliseconds = parse_duration_ms(name, text)?;
    Ok(Some(Duration::from_millis(u64::try_from(milliseconds).unwrap_or(0))))
}

fn from_seconds(seconds: f64) -> Option<TimestampMs> {
    let milliseconds = (seconds.fract() * 1000.0).round() + seconds.trunc() * 1000.0;
    (seconds.abs() <= MAX_SECONDS).then_some(milliseconds as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_seconds_or_rfc_3339() {
        for (text, expected) in [
            ("1700000000", 1_700_000_000_000),
            ("1700000000.781", 1_700_000_000_781),
            ("1.700000000e+09", 1_700_000_000_000),
            ("-1.5", -1500),
            ("2023-11-14T22:13:20Z", 1_700_000_000_000),
            ("2023-11-15T00:13:20.000+02:00", 1_700_000_000_000),
            ("2023-11-14T22:13:20.123456789Z", 1_700_000_000_123),
            (MIN_TIME, i64::MIN),
            (MAX_TIME, i64::MAX),
        ] {
            assert_eq!(parse_time("time", text), Ok(expected), "{text}");
        }
        for bad in ["", "yesterday", "NaN", "inf", "1e300", "2023-11-14"] {
            let text = parse_time("time", bad).unwrap_err().to_string();
            let expected = format!("invalid parameter \"time\": cannot parse {bad:?} to a valid timestamp");
            assert_eq!(text, expected);
        }
    }

    #[test]
    fn durations_are_seconds_or_units() {
        for (text, expected) in
            [("60", 60_000), ("7.5", 7_500), ("1m30s", 90_000), ("500ms", 500), ("-5", -5_000), ("0.0001", 0)]
        {
            assert_eq!(parse_duration_ms("step", text), Ok(expected), "{text}");
        }
        for bad in ["", "x", "1m1m", "NaN", "1e300"] {
            assert!(parse_duration_ms("step", bad).is_err(), "{bad}");
        }
        assert_eq!(parse_optional_duration("timeout", ""), Ok(None));
        for (text, expected) in [("5ms", 5), ("0", 0), ("-3", 0)] {
            let expected = Ok(Some(Duration::from_millis(expected)));
            assert_eq!(parse_optional_duration("timeout", text), expected, "{text}");
        }
    }
}
