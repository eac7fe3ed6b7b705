//! Settings of the limits.

use std::collections::BTreeMap;

use latewood_model::TenantId;
use serde::{Deserialize, Serialize};

use crate::IngestError;

/// What each tenant may write, by Mimir's names. 0 is no limit, and the default: Latewood limits whom it is told to.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LimitsConfig {
    /// The most active series of a tenant in the whole cluster: those written since the last freeze, or in what was frozen
    /// less than 20 minutes ago. Samples of further ones are refused (400), those of the others are stored. 0, the
    /// default, is no limit.
    pub max_global_series_per_user: u64,
    /// The most active series of a metric of a tenant in the whole cluster. 0, the default, is no limit.
    pub max_global_series_per_metric: u64,
    /// How many samples and native histograms a second a tenant may send to the whole cluster. Each node takes its part,
    /// the rate divided by the number of nodes, so spread requests over all. What is over it is answered 429 with `Retry-After`:
    /// Prometheus sends it again with `queue_config.retry_on_http_429`. 0, the default, is no limit.
    pub ingestion_rate: f64,
    /// How many samples a tenant may send to a node at once before `ingestion_rate` counts: at least as many as its
    /// largest request, which is never taken otherwise. Each node has all of it. 0, the default, is 20 seconds of the rate.
    pub ingestion_burst_size: u64,
    /// Limits of single tenants, by their names: what is not given is as above, and 0 is no limit.
    pub overrides: BTreeMap<String, TenantLimits>,
}

/// Limits of one tenant; what is absent is as for all.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TenantLimits {
    /// The most active series.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_global_series_per_user: Option<u64>,
    /// The most active series of a metric.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_global_series_per_metric: Option<u64>,
    /// How many samples a second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ingestion_rate: Option<f64>,
    /// How many samples at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ingestion_burst_size: Option<u64>,
}

impl LimitsConfig {
    /// Checks that the settings can be.
    ///
    /// # Errors
    /// [`IngestError::Config`] names the setting.
    pub fn validate(&self) -> Result<(), IngestError> {
        let refuse = |text: String| Err(IngestError::Config(text));
        let is_rate = |rate: f64| rate.is_finite() && rate >= 0.0;
        if !is_rate(self.ingestion_rate) {
            return refuse("ingestion_rate must be 0 or a positive number".to_owned());
        }
        for (tenant, limits) in &self.overrides {
            if let Err(error) = TenantId::new(tenant) {
                return refuse(format!("overrides: {tenant:?} is no tenant: {error}"));
            }
            if !limits.ingestion_rate.is_none_or(is_rate) {
                return refuse(format!("overrides.{tenant}: ingestion_rate must be 0 or a positive number"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_limited_by_default_and_what_cannot_be_is_refused() {
        let parsed: LimitsConfig = serde_json::from_str("{}").unwrap();
        assert_eq!(parsed, LimitsConfig::default());
        assert!(parsed.validate().is_ok());
        for wrong in [
            r#"{"ingestion_rate":-1}"#,
            r#"{"overrides":{"a/b":{}}}"#,
            r#"{"overrides":{"a":{"ingestion_rate":-0.5}}}"#,
        ] {
            let parsed: LimitsConfig = serde_json::from_str(wrong).unwrap();
            assert!(parsed.validate().is_err(), "{wrong}");
        }
        assert!(serde_json::from_str::<LimitsConfig>(r#"{"overrides":{"a":{"ingestion_rat":1}}}"#).is_err());
    }
}
