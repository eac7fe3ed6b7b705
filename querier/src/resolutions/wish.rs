//! What a request wishes of resolutions.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use latewood_model::Resolution;
use latewood_promql::parse_duration;
use serde::{Deserialize, Serialize};

/// Thanos's `max_source_resolution`: how coarse what a query reads may be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum SourceResolution {
    /// As coarse as gives what samples would.
    #[default]
    Auto,
    /// At most this; it may be at the price of exactness.
    UpTo(Resolution),
}

impl FromStr for SourceResolution {
    type Err = String;

    /// `auto`, a resolution's name, or a duration, which allows what is not longer.
    fn from_str(text: &str) -> Result<Self, String> {
        if text == "auto" {
            return Ok(Self::Auto);
        }
        let named = Resolution::from_name(text);
        let bound = || {
            let length = if text == "0" { Duration::ZERO } else { parse_duration(text).ok()? };
            let fits =
                |resolution: &Resolution| resolution.millis().unwrap_or(0) as u128 <= length.as_millis();
            Resolution::ALL.into_iter().rev().find(fits)
        };
        let expected = || format!("{text:?} is none of auto, 0s, 5m, 1h, 1d and no duration");
        named.or_else(bound).map(Self::UpTo).ok_or_else(expected)
    }
}

impl fmt::Display for SourceResolution {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => out.write_str("auto"),
            Self::UpTo(Resolution::Raw) => out.write_str("0s"),
            Self::UpTo(resolution) => resolution.fmt(out),
        }
    }
}

impl TryFrom<String> for SourceResolution {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<SourceResolution> for String {
    fn from(resolution: SourceResolution) -> Self {
        resolution.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_allow_what_is_not_longer() {
        for (text, expected) in [
            ("auto", SourceResolution::Auto),
            ("0", SourceResolution::UpTo(Resolution::Raw)),
            ("0s", SourceResolution::UpTo(Resolution::Raw)),
            ("4m59s", SourceResolution::UpTo(Resolution::Raw)),
            ("5m", SourceResolution::UpTo(Resolution::FiveMinutes)),
            ("60m", SourceResolution::UpTo(Resolution::OneHour)),
            ("1w", SourceResolution::UpTo(Resolution::OneDay)),
        ] {
            assert_eq!(text.parse(), Ok(expected), "{text}");
            assert_eq!(expected.to_string().parse(), Ok(expected), "{text}");
        }
        assert!("fast".parse::<SourceResolution>().is_err_and(|error| error.contains("fast")));
    }
}
