//! Durations as Prometheus writes them: `1h30m`, `500ms`; at least a millisecond fine.

use std::time::Duration;

use crate::print::quoted;

/// The longest duration: what fits 64 bits of nanoseconds, with a sign.
const MAX_MILLISECONDS: u64 = i64::MAX.unsigned_abs() / 1_000_000;

/// Units with their milliseconds, in the order in which they may follow each other.
const UNITS: [(&str, u64); 7] = [
    ("y", 365 * 24 * 3_600_000),
    ("w", 7 * 24 * 3_600_000),
    ("d", 24 * 3_600_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

/// Reads a duration such as `1h30m`; units descend and each occurs once. `0` needs no unit.
///
/// # Errors
/// Prometheus's text: it repeats the input and says what is wrong.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("not a valid duration string: {}", quoted(text));
    if text.is_empty() {
        return Err("empty duration string".to_owned());
    }
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let (mut rest, mut next_unit, mut total) = (text, 0, 0_u64);
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, tail) = rest.split_at(digits);
        let (unit, tail) = tail.split_at(tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len()));
        let number = number.parse::<u64>().map_err(|_| wrong())?;
        if unit.is_empty() {
            return Err(wrong());
        }
        let Some(position) = UNITS.iter().position(|(name, _)| *name == unit) else {
            return Err(format!("unknown unit {} in duration {}", quoted(unit), quoted(text)));
        };
        if position < next_unit {
            return Err(wrong());
        }
        let part = number.checked_mul(UNITS[position].1);
        total = part
            .and_then(|part| total.checked_add(part))
            .filter(|total| *total <= MAX_MILLISECONDS)
            .ok_or_else(|| "duration out of range".to_owned())?;
        (rest, next_unit) = (tail, position + 1);
    }
    Ok(Duration::from_millis(total))
}

/// Writes a duration as Prometheus does: years, weeks and days only where nothing is left over.
#[must_use]
pub fn format_duration(duration: Duration) -> String {
    let mut rest = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    if rest == 0 {
        return "0s".to_owned();
    }
    let mut text = String::new();
    for (name, size) in UNITS {
        let exact_only = matches!(name, "y" | "w");
        if rest / size > 0 && (!exact_only || rest.is_multiple_of(size)) {
            text.push_str(&format!("{}{name}", rest / size));
            rest %= size;
        }
    }
    text
}

/// For `#[serde(with = …)]`: a duration as text.
pub(crate) mod serde_duration {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(duration: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&super::format_duration(*duration))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        let text = String::deserialize(from)?;
        super::parse_duration(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_and_write() {
        for (text, milliseconds, written) in [
            ("5m", 300_000, "5m"),
            ("1h30m", 5_400_000, "1h30m"),
            ("90m", 5_400_000, "1h30m"),
            ("1d12h", 129_600_000, "1d12h"),
            ("14d", 1_209_600_000, "2w"),
            ("8d", 691_200_000, "8d"),
            ("0", 0, "0s"),
            ("1500ms", 1_500, "1s500ms"),
        ] {
            let duration = Duration::from_millis(milliseconds);
            assert_eq!(parse_duration(text), Ok(duration), "{text}");
            assert_eq!(format_duration(duration), written);
        }
        for (text, expected) in [
            ("", "empty duration string"),
            ("5", "not a valid duration string: \"5\""),
            ("m", "not a valid duration string: \"m\""),
            ("1m1h", "not a valid duration string: \"1m1h\""),
            ("1m1m", "not a valid duration string: \"1m1m\""),
            ("-1m", "not a valid duration string: \"-1m\""),
            ("1x", "unknown unit \"x\" in duration \"1x\""),
            ("300y", "duration out of range"),
            ("99999999999999y", "duration out of range"),
        ] {
            assert_eq!(parse_duration(text), Err(expected.to_owned()), "{text}");
        }
    }
}
