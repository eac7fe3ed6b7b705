//! How long each resolution is kept.

use latewood_model::Resolution;
use serde::{Deserialize, Serialize};

/// How long each resolution is kept, in seconds; 0 is for ever.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RetentionConfig {
    /// Samples as they came. Thanos's `--retention.resolution-raw`, Mimir's `compactor_blocks_retention_period`.
    pub resolution_raw_seconds: u64,
    /// Aggregates over five minutes. Thanos's `--retention.resolution-5m`.
    pub resolution_5m_seconds: u64,
    /// Aggregates over one hour. Thanos's `--retention.resolution-1h`.
    pub resolution_1h_seconds: u64,
    /// Aggregates over one day.
    pub resolution_1d_seconds: u64,
}

impl RetentionConfig {
    /// Checks what types cannot; `path` is what the settings are called.
    ///
    /// # Errors
    /// A text that names the field and what it must be.
    pub fn validate(&self, path: &str) -> Result<(), String> {
        let all = [
            ("resolution_raw_seconds", self.resolution_raw_seconds, 86_400),
            ("resolution_5m_seconds", self.resolution_5m_seconds, 86_400),
            ("resolution_1h_seconds", self.resolution_1h_seconds, 86_400),
            ("resolution_1d_seconds", self.resolution_1d_seconds, 86_400),
        ];
        match all.into_iter().find(|(_, seconds, least)| *seconds > 0 && seconds < least) {
            Some((field, _, least)) => {
                Err(format!("{path}.{field} must be 0 (for ever) or at least {least} (a day)"))
            }
            None => Ok(()),
        }
    }

    pub(crate) fn policy(&self) -> RetentionPolicy {
        let millis = |seconds: u64| {
            (seconds > 0).then(|| i64::try_from(seconds.saturating_mul(1_000)).unwrap_or(i64::MAX))
        };
        RetentionPolicy([
            millis(self.resolution_raw_seconds),
            millis(self.resolution_5m_seconds),
            millis(self.resolution_1h_seconds),
            millis(self.resolution_1d_seconds),
        ])
    }
}

/// How long each resolution is kept, in milliseconds, finest first; none is for ever.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RetentionPolicy(pub [Option<i64>; 4]);

impl RetentionPolicy {
    /// How long a resolution is kept, in milliseconds; none is for ever.
    #[must_use]
    pub fn of(&self, resolution: Resolution) -> Option<i64> {
        let place = Resolution::ALL.iter().position(|known| *known == resolution)?;
        self.0.get(place).copied().flatten()
    }
}
