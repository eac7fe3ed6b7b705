//! How finely a block resolves time.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How finely a block resolves time. Finer ones come first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Resolution {
    /// Samples as they came.
    #[default]
    #[serde(rename = "raw")]
    Raw,
    /// Aggregates over five minutes.
    #[serde(rename = "5m")]
    FiveMinutes,
    /// Aggregates over one hour.
    #[serde(rename = "1h")]
    OneHour,
    /// Aggregates over one day.
    #[serde(rename = "1d")]
    OneDay,
}

impl Resolution {
    /// All of them, finest first.
    pub const ALL: [Self; 4] = [Self::Raw, Self::FiveMinutes, Self::OneHour, Self::OneDay];

    /// The name, which is also the folder: `raw`, `5m`, `1h`, `1d`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::FiveMinutes => "5m",
            Self::OneHour => "1h",
            Self::OneDay => "1d",
        }
    }

    /// How long a window is, in milliseconds; none of raw samples.
    #[must_use]
    pub fn millis(self) -> Option<i64> {
        match self {
            Self::Raw => None,
            Self::FiveMinutes => Some(300_000),
            Self::OneHour => Some(3_600_000),
            Self::OneDay => Some(86_400_000),
        }
    }

    /// The resolution of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|resolution| resolution.as_str() == name)
    }
}

impl fmt::Display for Resolution {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}
