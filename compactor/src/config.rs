//! Settings of the compactor.

use std::collections::BTreeMap;
use std::time::Duration;

use latewood_catalog::{GarbagePolicy, MAX_REPLICA_LABELS};
use latewood_model::TenantId;
use latewood_model::dedup::ReplicaLabels;
use serde::{Deserialize, Serialize};

use crate::RetentionConfig;
use crate::plan::{Policy, RollupTiers, Tiers};
use crate::retention::RetentionPolicy;

/// Settings of the compactor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CompactorConfig {
    /// How often work is looked for, in seconds. Each time the tenants are listed once.
    pub compaction_interval_seconds: u64,
    /// The windows of time whose blocks are joined, ascending, in seconds; each a multiple of the one before.
    pub block_ranges_seconds: Vec<u64>,
    /// The windows of time whose rollups are joined when all their samples are gone; ascending, each a multiple of the one
    /// before. Those of a coarser resolution begin with those of the finer one.
    pub rollup_ranges: RollupRangesConfig,
    /// How long after its end a window is waited for what ingesters still hold of it, in seconds. Longer than a head
    /// generation lasts.
    pub settle_seconds: u64,
    /// How long late samples wait, in seconds, before the block of their window is written anew for them. When they are
    /// a tenth of it they do not wait.
    pub late_delay_seconds: u64,
    /// Tenants whose blocks are compacted at once.
    pub concurrency: usize,
    /// The most blocks of one job.
    pub max_job_blocks: usize,
    /// The most series of one job, those of all its blocks together; some 100 bytes of memory each.
    pub max_job_series: u64,
    /// The most bytes of one job; it takes about as much local disk. What is larger stays in shorter windows.
    pub max_job_bytes: u64,
    /// How long a compactor that was lost keeps others from its job, in seconds.
    pub lease_seconds: u64,
    /// Files of a block that are uploaded at once.
    pub upload_concurrency: usize,
    /// How often garbage is looked for, in seconds. Each time the bucket is listed once.
    pub cleanup_interval_seconds: u64,
    /// How long a block that was removed stays readable, and how old a block that no commit names must be
    /// before it is garbage, in seconds. Far longer than the longest query and the longest upload. Default:
    /// 172800 (48 hours).
    pub deletion_delay_seconds: u64,
    /// Whether tenants may be deleted over HTTP: `POST /compactor/delete_tenant`. It needs the right
    /// `admin` where rights are asked for; otherwise whoever may send a tenant's header may delete it then. What was deleted goes after `deletion_delay_seconds`.
    pub enable_admin_api: bool,
    /// Labels by which the copies of an HA pair differ. Rollups are of one series without them; an empty list leaves all
    /// series as they are. As `querier.replica_labels`: what was deduplicated by other labels is a series like others.
    pub replica_labels: Vec<String>,
    /// Whether raw samples are of one series without replica labels, too, from the first of `block_ranges_seconds` that is
    /// whole days: half the bytes. Queries answer the same, but for those that ask for single replicas. Switched off later, it
    /// leaves what has been done, and windows that were begun go on.
    pub deduplicate: bool,
    /// The most memory of a job, in bytes, for series that wait for those that they are deduplicated with. Where replicas
    /// come in so different an order that it would be more, the window keeps its replicas.
    pub max_waiting_bytes: u64,
    /// How long each resolution is kept, in seconds; 0 is for ever. A finer one goes only when the coarser ones that are
    /// kept for longer have its samples. Samples of one window go together: with its last, hence later by as much as the
    /// longest of `block_ranges_seconds` at most, and as long as compaction takes for what came late. Aggregates are
    /// kept as long as their samples at least. Ingesters refuse samples that are older than raw ones are kept, less a day (less
    /// half, where they are kept for less than two), with 400: give their processes the same settings.
    pub retention: RetentionConfig,
    /// The settings of `compactor.retention` for single tenants, by their ids; the whole section takes its place.
    pub tenant_retention: BTreeMap<String, RetentionConfig>,
}

/// The windows of time whose rollups are joined, in seconds. Rollups of windows that lie across them stay as they are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RollupRangesConfig {
    /// Of aggregates over five minutes.
    pub resolution_5m_seconds: Vec<u64>,
    /// Of aggregates over one hour.
    pub resolution_1h_seconds: Vec<u64>,
    /// Of aggregates over one day.
    pub resolution_1d_seconds: Vec<u64>,
}

impl Default for RollupRangesConfig {
    /// 28 days; of 1d 364 days, too.
    fn default() -> Self {
        const DAYS_28: u64 = 28 * 86_400;
        Self {
            resolution_5m_seconds: vec![DAYS_28],
            resolution_1h_seconds: vec![DAYS_28],
            resolution_1d_seconds: vec![DAYS_28, 13 * DAYS_28],
        }
    }
}

impl Default for CompactorConfig {
    fn default() -> Self {
        Self {
            compaction_interval_seconds: 300,
            block_ranges_seconds: vec![7_200, 43_200, 86_400, 604_800],
            rollup_ranges: RollupRangesConfig::default(),
            settle_seconds: 10_800,
            late_delay_seconds: 86_400,
            concurrency: 1,
            max_job_blocks: 128,
            max_job_series: 4_000_000,
            max_job_bytes: 64 << 30,
            lease_seconds: 900,
            upload_concurrency: 4,
            cleanup_interval_seconds: 3_600,
            deletion_delay_seconds: 48 * 3_600,
            enable_admin_api: false,
            replica_labels: ["__replica__", "prometheus_replica", "replica"].map(str::to_owned).into(),
            deduplicate: true,
            max_waiting_bytes: 256 << 20,
            retention: RetentionConfig::default(),
            tenant_retention: BTreeMap::new(),
        }
    }
}

/// The shortest deletion delay: an upload or a query may last that long.
const MIN_DELETION_DELAY_SECONDS: u64 = 3_600;

impl CompactorConfig {
    /// Checks what types cannot.
    ///
    /// # Errors
    /// A text that names the field and what it must be.
    pub fn validate(&self) -> Result<(), String> {
        let positive = [
            ("compaction_interval_seconds", self.compaction_interval_seconds),
            ("concurrency", self.concurrency as u64),
            ("max_job_series", self.max_job_series),
            ("max_job_bytes", self.max_job_bytes),
            ("upload_concurrency", self.upload_concurrency as u64),
            ("cleanup_interval_seconds", self.cleanup_interval_seconds),
        ];
        if let Some((field, _)) = positive.into_iter().find(|(_, value)| *value == 0) {
            return Err(format!("compactor.{field} must be at least 1"));
        }
        if self.max_job_blocks < 2 {
            return Err("compactor.max_job_blocks must be at least 2".to_owned());
        }
        if self.lease_seconds < 60 {
            return Err("compactor.lease_seconds must be at least 60".to_owned());
        }
        if self.deletion_delay_seconds < MIN_DELETION_DELAY_SECONDS {
            return Err("compactor.deletion_delay_seconds must be at least 3600 (one hour)".to_owned());
        }
        if self.replica_labels.iter().any(String::is_empty) {
            return Err("compactor.replica_labels must not hold an empty name".to_owned());
        }
        if self.replica_labels().names().len() > MAX_REPLICA_LABELS {
            return Err(format!(
                "compactor.replica_labels must not hold more than {MAX_REPLICA_LABELS} names"
            ));
        }
        self.retention.validate("compactor.retention")?;
        for (tenant, retention) in &self.tenant_retention {
            TenantId::new(tenant).map_err(|error| format!("compactor.tenant_retention: {error}"))?;
            retention.validate(&format!("compactor.tenant_retention.{tenant}"))?;
        }
        let tiers = self.tiers().map_err(|problem| format!("compactor.block_ranges_seconds: {problem}"))?;
        if tiers.of_rollups().is_none() {
            return Err("compactor.block_ranges_seconds must have a range of one or several days (86400), whose samples \
                        are downsampled"
                .to_owned());
        }
        self.rollup_tiers().map_err(|problem| format!("compactor.rollup_ranges: {problem}"))?;
        Ok(())
    }

    fn rollup_tiers(&self) -> Result<RollupTiers, String> {
        let ranges = &self.rollup_ranges;
        let all =
            [&ranges.resolution_5m_seconds, &ranges.resolution_1h_seconds, &ranges.resolution_1d_seconds];
        let lengths = all.map(|seconds| seconds.iter().map(|seconds| millis(*seconds)).collect());
        RollupTiers::new(lengths)
    }

    fn tiers(&self) -> Result<Tiers, String> {
        Tiers::new(self.block_ranges_seconds.iter().map(|seconds| millis(*seconds)).collect())
    }

    /// What [`crate::plan()`] is told.
    #[must_use]
    pub fn policy(&self) -> Policy {
        Policy {
            // Settings were validated.
            tiers: self.tiers().unwrap_or_default(),
            rollup_tiers: self.rollup_tiers().unwrap_or_default(),
            settle_ms: millis(self.settle_seconds),
            late_delay_ms: millis(self.late_delay_seconds),
            max_blocks: self.max_job_blocks,
            max_series: self.max_job_series,
            max_bytes: self.max_job_bytes,
            replica_labels: self.replica_labels(),
            deduplicate: self.deduplicate,
        }
    }

    pub(crate) fn replica_labels(&self) -> ReplicaLabels {
        ReplicaLabels::new(&self.replica_labels)
    }

    /// How long a tenant's samples are kept.
    #[must_use]
    pub fn retention_of(&self, tenant: &TenantId) -> RetentionPolicy {
        self.tenant_retention.get(tenant.as_str()).unwrap_or(&self.retention).policy()
    }

    pub(crate) fn compaction_interval(&self) -> Duration {
        Duration::from_secs(self.compaction_interval_seconds)
    }

    pub(crate) fn cleanup_interval(&self) -> Duration {
        Duration::from_secs(self.cleanup_interval_seconds)
    }

    pub(crate) fn lease(&self) -> Duration {
        Duration::from_secs(self.lease_seconds)
    }

    /// How long garbage stays.
    #[must_use]
    pub fn garbage_policy(&self) -> GarbagePolicy {
        GarbagePolicy { grace_ms: millis(self.deletion_delay_seconds), ..GarbagePolicy::default() }
    }
}

fn millis(seconds: u64) -> i64 {
    i64::try_from(seconds.saturating_mul(1_000)).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_valid_and_mistakes_are_named() {
        assert_eq!(CompactorConfig::default().validate(), Ok(()));
        let ranges = |ranges: &[u64]| CompactorConfig {
            block_ranges_seconds: ranges.to_vec(),
            ..CompactorConfig::default()
        };
        for wrong in [ranges(&[]), ranges(&[7_200, 10_000]), ranges(&[0]), ranges(&[7_200, 43_200])] {
            assert!(wrong.validate().unwrap_err().contains("block_ranges_seconds"));
        }
        let labels = (0..65).map(|number| format!("replica_{number}")).collect();
        let many = CompactorConfig { replica_labels: labels, ..CompactorConfig::default() };
        assert!(many.validate().unwrap_err().contains("more than 64"), "no catalog takes their blocks");
        let alone = CompactorConfig { max_job_blocks: 1, ..CompactorConfig::default() };
        assert!(alone.validate().unwrap_err().contains("max_job_blocks"));
    }
}
