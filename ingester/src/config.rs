//! Settings of the write path up to the shards.

use serde::{Deserialize, Serialize};

use crate::{IngestError, RawRetention};

/// How remote write is taken, validated and routed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PushConfig {
    /// Labels by which the copies of an HA pair differ; routing leaves them out, so that both copies of
    /// a series share a shard. Default `__replica__`, `prometheus_replica`, `replica`.
    pub replica_labels: Vec<String>,
    /// The largest compressed body, in bytes.
    pub max_body_bytes: usize,
    /// How long a sender may take to send its body, in seconds.
    pub body_timeout_seconds: u64,
    /// The largest decompressed body, in bytes.
    pub max_decompressed_bytes: usize,
    /// The most series, labels, samples, symbols, exemplars, metadata, histograms and their buckets together
    /// in a request.
    pub max_items_per_request: usize,
    /// The most bytes, compressed and not, that all requests under way may hold.
    pub max_inflight_bytes: usize,
    /// Bodies above this many decompressed bytes are decoded off the async runtime.
    pub inline_decode_bytes: usize,
    /// The most labels of a series, metric name included.
    pub max_label_names_per_series: usize,
    /// The longest label name, in bytes.
    pub max_label_name_length: usize,
    /// The longest label value, in bytes.
    pub max_label_value_length: usize,
    /// The most populated buckets of a native histogram, the zero bucket not counted; 0 takes as many as
    /// the format holds, 16,384 on either side.
    pub max_native_histogram_buckets: usize,
    /// How far ahead of the clock a sample may lie, in seconds.
    pub max_future_seconds: u64,
    /// Samples older than this many seconds are refused; 0 takes any age.
    pub max_age_seconds: u64,
    /// How long samples are kept: those that are older, less a day, are refused. The compactor's setting, not one of these.
    #[serde(skip)]
    pub raw_retention: RawRetention,
    /// The most exemplars kept for a tenant; the oldest go first; 0 keeps none.
    pub max_exemplars_per_tenant: usize,
    /// The most metrics of a tenant whose metadata is kept; 0 keeps none.
    pub max_metadata_per_tenant: usize,
    /// The most bytes of exemplars kept for all tenants together.
    pub max_exemplar_bytes: usize,
    /// The most bytes of metadata kept for all tenants together.
    pub max_metadata_bytes: usize,
    /// Help texts and units are cut to this many bytes.
    pub max_metadata_length: usize,
    /// Whether type and unit that come with the series of remote write 2.0 become its labels `__type__` and
    /// `__unit__`; so they do with `--enable-feature=type-and-unit-labels`.
    pub type_and_unit_labels: bool,
    /// What `Retry-After` says when a retry can help, in seconds.
    pub retry_after_seconds: u64,
}

impl Default for PushConfig {
    fn default() -> Self {
        Self {
            replica_labels: ["__replica__", "prometheus_replica", "replica"].map(str::to_owned).into(),
            max_body_bytes: 100 << 20,
            body_timeout_seconds: 60,
            max_decompressed_bytes: 100 << 20,
            max_items_per_request: 10_000_000,
            max_inflight_bytes: 512 << 20,
            inline_decode_bytes: 64 << 10,
            max_label_names_per_series: 30,
            max_label_name_length: 1024,
            max_label_value_length: 2048,
            max_native_histogram_buckets: 0,
            max_future_seconds: 600,
            max_age_seconds: 0,
            raw_retention: RawRetention::default(),
            max_exemplars_per_tenant: 100_000,
            max_metadata_per_tenant: 100_000,
            max_exemplar_bytes: 256 << 20,
            max_metadata_bytes: 256 << 20,
            max_metadata_length: 1024,
            type_and_unit_labels: false,
            retry_after_seconds: 5,
        }
    }
}

impl PushConfig {
    /// Checks that the settings can be.
    ///
    /// # Errors
    /// [`IngestError::Config`] names the setting.
    pub fn validate(&self) -> Result<(), IngestError> {
        let positive = [
            ("max_body_bytes", self.max_body_bytes),
            ("max_decompressed_bytes", self.max_decompressed_bytes),
            ("max_items_per_request", self.max_items_per_request),
            ("max_inflight_bytes", self.max_inflight_bytes),
            ("max_label_names_per_series", self.max_label_names_per_series),
            ("max_label_name_length", self.max_label_name_length),
            ("max_label_value_length", self.max_label_value_length),
            ("max_metadata_length", self.max_metadata_length),
        ];
        let refuse = |text: String| Err(IngestError::Config(text));
        if let Some((name, _)) = positive.iter().find(|(_, value)| *value == 0) {
            return refuse(format!("{name} must be at least 1"));
        }
        if u32::try_from(self.max_decompressed_bytes).is_err() {
            return refuse("max_decompressed_bytes must be below 4 GiB".to_owned());
        }
        let largest = self.max_body_bytes.saturating_add(self.max_decompressed_bytes.saturating_mul(2));
        if self.max_inflight_bytes < largest {
            return refuse(format!(
                "max_inflight_bytes must be at least max_body_bytes + 2 * max_decompressed_bytes, {largest}"
            ));
        }
        if self.replica_labels.iter().any(String::is_empty) {
            return refuse("replica_labels must not hold an empty name".to_owned());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_valid_and_unknown_fields_are_refused() {
        assert!(PushConfig::default().validate().is_ok());
        assert!(serde_json::from_str::<PushConfig>(r#"{"max_boby_bytes":1}"#).is_err());
        let small: PushConfig = serde_json::from_str(r#"{"max_inflight_bytes":10}"#).unwrap();
        assert!(small.validate().is_err());
    }
}
