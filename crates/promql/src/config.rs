//! The engine's settings.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::duration::serde_duration;

/// Settings of the PromQL engine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EngineConfig {
    /// How far an instant selector looks back for a sample; a duration.
    #[serde(with = "serde_duration")]
    pub lookback: Duration,
    /// How long a query may run; a duration.
    #[serde(with = "serde_duration")]
    pub timeout: Duration,
    /// Samples that a query may hold at once.
    pub max_samples: u64,
    /// Bytes that a query may hold at once.
    pub max_bytes: u64,
    /// Bytes that all queries of a process may hold at once; a query that needs more while
    /// others hold it is refused with 503.
    pub max_total_bytes: u64,
    /// Steps of a range query.
    pub max_steps: u64,
    /// The step of a subquery that gives none; a duration.
    #[serde(with = "serde_duration")]
    pub subquery_step: Duration,
    /// Optional parts of the language.
    pub features: Features,
}

/// Optional parts of the language, named as in Prometheus's `--enable-feature`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct Features {
    /// Experimental functions and aggregations such as `info` and `limitk`.
    pub promql_experimental_functions: bool,
    /// `anchored` and `smoothed` behind selectors: `rate`, `increase` and `delta`, with `anchored` also `changes` and
    /// `resets`, take the values at the window's bounds instead of extrapolating.
    pub promql_extended_range_selectors: bool,
    /// `fill`, `fill_left` and `fill_right` behind operators: numbers for what one side misses. `fill_left` is that of
    /// the side that may have many series, also with `group_right`.
    pub promql_binop_fill_modifiers: bool,
    /// Metric names are dropped at the end of a query, so that `label_replace` and `by (__name__)` around `rate` still
    /// see them.
    pub promql_delayed_name_removal: bool,
    /// `__type__` says whether `rate` is taken of a counter, and not the metric's name; ingesters add `__type__` and
    /// `__unit__` to the series of remote write 2.0.
    pub type_and_unit_labels: bool,
    /// `rate`, `irate`, `increase` and `resets` look at start timestamps, and `start_timestamp` has results.
    /// Start timestamps are stored in any case.
    pub use_start_timestamps: bool,
}

impl Features {
    /// The names, as `--enable-feature` takes them.
    pub const NAMES: [&'static str; 6] = [
        "promql-experimental-functions",
        "promql-extended-range-selectors",
        "promql-binop-fill-modifiers",
        "promql-delayed-name-removal",
        "type-and-unit-labels",
        "use-start-timestamps",
    ];

    /// All of them.
    pub const ALL: Self = Self {
        promql_experimental_functions: true,
        promql_extended_range_selectors: true,
        promql_binop_fill_modifiers: true,
        promql_delayed_name_removal: true,
        type_and_unit_labels: true,
        use_start_timestamps: true,
    };

    /// Enables the part with one of [`Self::NAMES`]; any other name changes nothing.
    pub fn enable(&mut self, name: &str) {
        match name {
            "promql-experimental-functions" => self.promql_experimental_functions = true,
            "promql-extended-range-selectors" => self.promql_extended_range_selectors = true,
            "promql-binop-fill-modifiers" => self.promql_binop_fill_modifiers = true,
            "promql-delayed-name-removal" => self.promql_delayed_name_removal = true,
            "type-and-unit-labels" => self.type_and_unit_labels = true,
            "use-start-timestamps" => self.use_start_timestamps = true,
            _ => {}
        }
    }
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self {
            lookback: Duration::from_secs(300),
            timeout: Duration::from_secs(120),
            max_samples: 50_000_000,
            max_bytes: 2 << 30,
            max_total_bytes: 4 << 30,
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
            ("max_total_bytes", self.max_total_bytes > 0),
            ("max_steps", self.max_steps > 0),
            ("subquery_step", self.subquery_step.as_millis() > 0),
        ];
        match positive.iter().find(|(_, ok)| !ok) {
            Some((name, _)) => Err(format!("{name} must be greater than 0")),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_feature_has_a_name() {
        let mut features = Features::default();
        Features::NAMES.iter().for_each(|name| features.enable(name));
        assert_eq!(features, Features::ALL);
    }
}
