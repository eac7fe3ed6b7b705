//! Settings of the compactor.

use std::time::Duration;

use latewood_catalog::GarbagePolicy;
use serde::{Deserialize, Serialize};

/// Settings of the compactor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CompactorConfig {
    /// How often garbage is looked for, in seconds. Each time the bucket is listed once.
    pub cleanup_interval_seconds: u64,
    /// How long a block that was removed stays readable, and how old a block that no commit names must be
    /// before it is garbage, in seconds. Far longer than the longest query and the longest upload. Default:
    /// 172800 (48 hours).
    pub deletion_delay_seconds: u64,
}

impl Default for CompactorConfig {
    fn default() -> Self {
        Self { cleanup_interval_seconds: 3_600, deletion_delay_seconds: 48 * 3_600 }
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
        if self.cleanup_interval_seconds == 0 {
            return Err("compactor.cleanup_interval_seconds must be at least 1".to_owned());
        }
        if self.deletion_delay_seconds < MIN_DELETION_DELAY_SECONDS {
            return Err("compactor.deletion_delay_seconds must be at least 3600 (one hour)".to_owned());
        }
        Ok(())
    }

    pub(crate) fn cleanup_interval(&self) -> Duration {
        Duration::from_secs(self.cleanup_interval_seconds)
    }

    pub(crate) fn garbage_policy(&self) -> GarbagePolicy {
        let grace_ms = i64::try_from(self.deletion_delay_seconds.saturating_mul(1_000)).unwrap_or(i64::MAX);
        GarbagePolicy { grace_ms, ..GarbagePolicy::default() }
    }
}
