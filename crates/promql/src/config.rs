//! The engine's settings.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::duration::serde_duration;

/// Settings of the PromQL engine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EngineConfig {
    /// How far an instant selector looks back for a sample; a duration, default `5m`.
    #[serde(with = "serde_duration")]
    pub lookback: Duration,
    /// How long a query may run; a duration, default `2m`.
    #[serde(with = "serde_duration")]
    pub timeout: Duration,
    /// Samples that a query may hold at once, default 50,000,000.
    pub max_samples: u64,
    /// Bytes that a query may hold at once, default 2 GiB.
    pub max_bytes: u64,
    /// Steps of a range query, default 11,000.
    pub max_steps: u64,
    /// The step of a subquery that gives none; a duration, default `1m`.
    #[serde(with = "serde_duration")]
    pub subquery_step: Duration,
    /// Optional parts of the language, default none.
    pub features: Features,
}

/// Optional parts of the language, named as in Prometheus's `--enable-feature`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct Features {
    /// Experimental functions and aggregations such as `limitk`, default off.
    pub promql_experimental_functions: bool,
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self {
            lookback: Duration::from_secs(300),
            timeout: Duration::from_secs(120),
            max_samples: 50_000_000,
            max_bytes: 2 << 30,
            max_steps: 11_000,
            subquery_step: Duration::from_secs(60),
            features: Features::default(),
        }
    }
}

impl EngineConfig {
    /// Whether the settings can be used; the text says which cannot and why.
    ///
    /// # Errors
    /// A text that names the setting.
    pub fn validate(&self) -> Result<(), String> {
        let positive = [
            ("lookback", self.lookback.as_millis() > 0),
            ("timeout", !self.timeout.is_zero()),
            ("max_samples", self.max_samples > 0),
            ("max_bytes", self.max_bytes > 0),
            ("max_steps", self.max_steps > 0),
            ("subquery_step", self.subquery_step.as_millis() > 0),
        ];
        match positive.iter().find(|(_, ok)| !ok) {
            Some((name, _)) => Err(format!("{name} must be greater than 0")),
            None => Ok(()),
        }
    }
}
