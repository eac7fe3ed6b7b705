//! Settings of the flush.

use serde::{Deserialize, Serialize};

/// When generations are frozen, and what may wait for the bucket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FlushConfig {
    /// A generation is frozen at most this long after it was opened, in seconds; the shards take turns in
    /// that time.
    pub max_age_seconds: u64,
    /// Memory of the open generations of all shards, in bytes; a shard's generation is frozen at its
    /// share. Writes are refused at twice of it, when encoding does not keep up.
    pub max_head_bytes: u64,
    /// What waits on disk for the bucket, in bytes: local blocks of all shards, and the journal but for its
    /// newest segment. Over it writes are refused.
    pub max_unflushed_bytes: u64,
    /// The data directory's file system is low while it has fewer bytes free. An ingester that is low leads no shard that
    /// another replica can lead, until it has one and a half times as much; where a majority of a shard's replicas is low,
    /// or the only one, writes are refused. 0 does not look.
    pub min_free_bytes: u64,
    /// Local blocks stay open for further questions as long as they take this many bytes of memory.
    pub max_open_block_bytes: usize,
    /// How long a flushed generation is still served to queries that pinned an older view, in seconds.
    pub linger_seconds: u64,
    /// How often age and memory are looked at, in milliseconds.
    pub check_interval_ms: u64,
    /// The first pause after a failed upload, in milliseconds; doubled each time.
    pub retry_initial_ms: u64,
    /// The longest pause between attempts, in milliseconds.
    pub retry_max_ms: u64,
    /// How long `/api/v1/admin/flush?wait=true` waits for blocks to be in the bucket, in seconds.
    pub wait_timeout_seconds: u64,
    /// How many files of a block are uploaded at once.
    pub upload_concurrency: usize,
}

impl Default for FlushConfig {
    fn default() -> Self {
        Self {
            max_age_seconds: 7200,
            max_head_bytes: 1 << 30,
            max_unflushed_bytes: 20 << 30,
            min_free_bytes: 1 << 30,
            max_open_block_bytes: 256 << 20,
            linger_seconds: 60,
            check_interval_ms: 1000,
            retry_initial_ms: 500,
            retry_max_ms: 30_000,
            wait_timeout_seconds: 60,
            upload_concurrency: 4,
        }
    }
}

impl FlushConfig {
    /// Checks that the settings can be; the text names the one that cannot.
    ///
    /// # Errors
    /// What is wrong.
    pub fn validate(&self) -> Result<(), String> {
        let positive = [
            ("max_age_seconds", self.max_age_seconds),
            ("max_head_bytes", self.max_head_bytes),
            ("max_unflushed_bytes", self.max_unflushed_bytes),
            ("check_interval_ms", self.check_interval_ms),
            ("retry_initial_ms", self.retry_initial_ms),
            ("wait_timeout_seconds", self.wait_timeout_seconds),
            ("upload_concurrency", self.upload_concurrency as u64),
        ];
        if let Some((name, _)) = positive.iter().find(|(_, value)| *value == 0) {
            return Err(format!("{name} must be at least 1"));
        }
        if self.retry_max_ms < self.retry_initial_ms {
            return Err("retry_max_ms must be at least retry_initial_ms".to_owned());
        }
        Ok(())
    }
}
