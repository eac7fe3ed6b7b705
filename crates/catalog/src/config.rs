//! The settings of the catalog.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How the catalog is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CatalogConfig {
    /// After how many commits a checkpoint is written.
    pub checkpoint_interval: u64,
    /// The largest commit that is written or read, in bytes.
    pub max_commit_bytes: u64,
    /// The largest checkpoint that is written or read, in bytes.
    pub max_checkpoint_bytes: u64,
    /// How long a commit tries to find out its own outcome while the bucket fails, in milliseconds.
    pub commit_timeout_ms: u64,
    /// The first pause after a failure, in milliseconds; it doubles each time, up to 2 s.
    pub retry_initial_ms: u64,
    /// How many races for the next place in the log a commit may lose.
    pub max_races: u32,
    /// How many commits are read at once when a log is loaded.
    pub read_concurrency: usize,
    /// A view that was last compared with the log longer ago than this is compared when it is next used, in seconds. Far
    /// less than `compactor.deletion_delay_seconds`.
    pub refresh_seconds: u64,
    /// A view that was last compared with the log longer ago than this is loaded afresh, in seconds. Far less
    /// than `keep_commits_seconds`.
    pub reload_after_seconds: u64,
    /// How long commits that a checkpoint covers are kept, in seconds.
    pub keep_commits_seconds: u64,
}

impl Default for CatalogConfig {
    fn default() -> Self {
        Self {
            checkpoint_interval: 64,
            max_commit_bytes: 8 << 20,
            max_checkpoint_bytes: 512 << 20,
            commit_timeout_ms: 60_000,
            retry_initial_ms: 50,
            max_races: 1_000,
            read_concurrency: 16,
            refresh_seconds: 300,
            reload_after_seconds: 86_400,
            keep_commits_seconds: 30 * 86_400,
        }
    }
}

/// What is wrong with the settings of the catalog.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("catalog setting {field}: {message}")]
pub struct CatalogConfigError {
    /// The setting.
    pub field: &'static str,
    /// What is wrong with it and what would be right.
    pub message: String,
}

impl CatalogConfig {
    /// Checks the settings.
    ///
    /// # Errors
    /// [`CatalogConfigError`] names the setting and what is wrong with it.
    pub fn validate(&self) -> Result<(), CatalogConfigError> {
        let positive = [
            ("checkpoint_interval", self.checkpoint_interval),
            ("max_commit_bytes", self.max_commit_bytes),
            ("max_checkpoint_bytes", self.max_checkpoint_bytes),
            ("commit_timeout_ms", self.commit_timeout_ms),
            ("retry_initial_ms", self.retry_initial_ms),
            ("max_races", self.max_races.into()),
            ("read_concurrency", self.read_concurrency as u64),
            ("refresh_seconds", self.refresh_seconds),
            ("reload_after_seconds", self.reload_after_seconds),
        ];
        if let Some((field, _)) = positive.into_iter().find(|(_, value)| *value == 0) {
            return Err(CatalogConfigError { field, message: "must be more than 0".to_owned() });
        }
        // A reader that pauses with an old view must find it too old before its commits are gone.
        if self.keep_commits_seconds < self.reload_after_seconds.saturating_mul(4) {
            return Err(CatalogConfigError {
                field: "keep_commits_seconds",
                message: "must be at least four times reload_after_seconds".to_owned(),
            });
        }
        Ok(())
    }

    pub(crate) fn commit_timeout(&self) -> Duration {
        Duration::from_millis(self.commit_timeout_ms)
    }

    pub(crate) fn refresh_after(&self) -> Duration {
        Duration::from_secs(self.refresh_seconds)
    }

    pub(crate) fn reload_after(&self) -> Duration {
        Duration::from_secs(self.reload_after_seconds)
    }
}
