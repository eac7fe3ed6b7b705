//! Settings of the replicated groups of a node.

use serde::{Deserialize, Serialize};

use crate::ClusterError;

/// Settings that all groups of a node share.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GroupConfig {
    /// This node's id among the replicas; must stay the same for the life of its journal.
    pub node_id: u64,
    /// How often a leader tells its followers that it lives, in milliseconds.
    pub heartbeat_ms: u64,
    /// For twice this time after a follower heard of its leader it votes for nobody else, in milliseconds; then it stands for
    /// election after a time that is drawn between this and twice this. With 500 another node leads 1.5 to 2 s after the
    /// death of a leader. A single voter elects itself at once.
    pub election_timeout_ms: u64,
    /// After how long a follower that did not answer an append is asked again, in milliseconds.
    pub append_timeout_ms: u64,
    /// Encoded commands that may be under way in one group, in bytes; further proposals wait.
    pub max_inflight_bytes: usize,
    /// The largest encoded command, in bytes.
    pub max_command_bytes: usize,
    /// How much of the log is read at a time at replay, in bytes.
    pub replay_chunk_bytes: usize,
    /// How long opening a group waits until it leads, after replay, in milliseconds.
    pub open_timeout_ms: u64,
}

impl Default for GroupConfig {
    fn default() -> Self {
        Self {
            node_id: 1,
            heartbeat_ms: 150,
            election_timeout_ms: 500,
            append_timeout_ms: 10_000,
            max_inflight_bytes: 64 << 20,
            max_command_bytes: 16 << 20,
            replay_chunk_bytes: 8 << 20,
            open_timeout_ms: 30_000,
        }
    }
}

impl GroupConfig {
    /// Checks that the settings make sense together.
    ///
    /// # Errors
    /// [`ClusterError::Config`] names the first setting that does not.
    pub fn validate(&self) -> Result<(), ClusterError> {
        let wrong = |field, problem: String| Err(ClusterError::Config { field, problem });
        if !(10..=60_000).contains(&self.heartbeat_ms) {
            return wrong("heartbeat_ms", "must be between 10 and 60000".to_owned());
        }
        if self.election_timeout_ms < 3 * self.heartbeat_ms {
            let least = 3 * self.heartbeat_ms;
            return wrong("election_timeout_ms", format!("must be three heartbeats or more ({least})"));
        }
        if self.append_timeout_ms < self.heartbeat_ms {
            return wrong(
                "append_timeout_ms",
                format!("must be a heartbeat or more ({})", self.heartbeat_ms),
            );
        }
        if self.max_command_bytes == 0 || self.max_command_bytes > 512 << 20 {
            return wrong("max_command_bytes", "must be between 1 B and 512 MiB".to_owned());
        }
        if self.max_inflight_bytes < self.max_command_bytes || self.max_inflight_bytes > 1 << 32 {
            return wrong("max_inflight_bytes", "must be between `max_command_bytes` and 4 GiB".to_owned());
        }
        if !(1 << 16..=1 << 30).contains(&self.replay_chunk_bytes) {
            return wrong("replay_chunk_bytes", "must be between 64 KiB and 1 GiB".to_owned());
        }
        if self.open_timeout_ms == 0 {
            return wrong("open_timeout_ms", "must be more than 0".to_owned());
        }
        Ok(())
    }
}
