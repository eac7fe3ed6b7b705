//! Settings of the journal.

use serde::{Deserialize, Serialize};

use crate::WalError;

/// Settings of the journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WalConfig {
    /// Size at which a segment is closed and the next one begun, in bytes.
    pub segment_bytes: u64,
    /// Reserve a segment's space when it is begun, so that an fsync need not allocate.
    pub preallocate: bool,
    /// The largest append (the records that become durable together), in bytes.
    pub max_append_bytes: usize,
    /// Appends that may wait for the disk, in bytes; further ones wait for room.
    pub max_queued_bytes: usize,
    /// What is written with one fsync at most, in bytes.
    pub max_batch_bytes: usize,
    /// The largest state value (vote, checkpoint), in bytes. All are written again at each new segment.
    pub max_state_bytes: usize,
    /// For tests that pull the plug: keep in the file `synced` how much of the newest segment was
    /// fsynced, so that the test can cut off what was not.
    pub record_synced_offsets: bool,
}

impl Default for WalConfig {
    fn default() -> Self {
        Self {
            segment_bytes: 64 << 20,
            preallocate: false,
            max_append_bytes: 64 << 20,
            max_queued_bytes: 128 << 20,
            max_batch_bytes: 8 << 20,
            max_state_bytes: 1 << 20,
            record_synced_offsets: false,
        }
    }
}

impl WalConfig {
    /// Checks that the settings make sense together.
    ///
    /// # Errors
    /// [`WalError::Config`] names the first setting that does not.
    pub fn validate(&self) -> Result<(), WalError> {
        let wrong = |field, problem| Err(WalError::Config { field, problem });
        if !(4096..=1 << 30).contains(&self.segment_bytes) {
            return wrong("segment_bytes", "must be between 4 KiB and 1 GiB");
        }
        if self.max_append_bytes == 0 || self.max_append_bytes > 1 << 30 {
            return wrong("max_append_bytes", "must be between 1 B and 1 GiB");
        }
        if self.max_queued_bytes < self.max_append_bytes || self.max_queued_bytes > 1 << 32 {
            return wrong("max_queued_bytes", "must be between `max_append_bytes` and 4 GiB");
        }
        if self.max_batch_bytes == 0 || self.max_batch_bytes > 1 << 30 {
            return wrong("max_batch_bytes", "must be between 1 B and 1 GiB");
        }
        if self.max_state_bytes == 0 || self.max_state_bytes > self.max_append_bytes {
            return wrong("max_state_bytes", "must be between 1 B and `max_append_bytes`");
        }
        Ok(())
    }
}
