//! Settings of the ingester: fields only, each part owns its own.

use latewood_block::{ReaderConfig, WriterConfig};
use latewood_cluster::GroupConfig;
use latewood_wal::WalConfig;
use serde::{Deserialize, Serialize};

use super::StartError;
use crate::PushConfig;
use crate::flush::FlushConfig;
use crate::journal::ProposerConfig;
use crate::limits::LimitsConfig;
use crate::ring::RingConfig;

/// Settings of the ingester.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct IngesterConfig {
    /// How many shards to make in a new data directory, or in a new cluster; one that has shards keeps its number. Default:
    /// the number of cores, at most 4; as many for each founder of a cluster.
    pub shards: Option<u32>,
    /// How writes are taken.
    pub push: PushConfig,
    /// What each tenant may write.
    pub limits: LimitsConfig,
    /// How entries are made.
    pub proposer: ProposerConfig,
    /// The journal.
    pub journal: WalConfig,
    /// The replicated groups.
    pub group: GroupConfig,
    /// When generations are flushed.
    pub flush: FlushConfig,
    /// How blocks are written.
    pub block: WriterConfig,
    /// How local blocks are read.
    pub block_reader: ReaderConfig,
    /// The ingester as a node of a cluster.
    pub ring: RingConfig,
}

/// The most shards of a node.
const MAX_SHARDS: u32 = 1024;

impl IngesterConfig {
    /// Checks that the settings can be.
    ///
    /// # Errors
    /// [`StartError::Config`] names the setting that cannot.
    pub fn validate(&self) -> Result<(), StartError> {
        let wrong =
            |part: &str, error: &dyn ToString| StartError::Config(format!("{part}: {}", error.to_string()));
        if self.shards.is_some_and(|shards| !(1..=MAX_SHARDS).contains(&shards)) {
            return Err(wrong("shards", &format!("must be between 1 and {MAX_SHARDS}")));
        }
        self.push.validate().map_err(|error| wrong("push", &error))?;
        self.limits.validate().map_err(|error| wrong("limits", &error))?;
        self.proposer.validate().map_err(|error| wrong("proposer", &error))?;
        self.journal.validate().map_err(|error| wrong("journal", &error))?;
        self.group.validate().map_err(|error| wrong("group", &error))?;
        self.flush.validate().map_err(|error| wrong("flush", &error))?;
        self.block.validate().map_err(|error| wrong("block", &error))?;
        self.block_reader.validate().map_err(|error| wrong("block_reader", &error))?;
        self.ring.validate().map_err(|error| wrong("ring", &error))?;
        let room = self.group.max_command_bytes / 2;
        if self.proposer.max_entry_bytes > room {
            let text =
                format!("max_entry_bytes must be at most half of the group's max_command_bytes ({room})");
            return Err(wrong("proposer", &text));
        }
        Ok(())
    }

    /// How many shards a new data directory gets.
    #[must_use]
    pub fn new_shards(&self) -> u32 {
        self.shards.unwrap_or_else(shards_of_a_node)
    }

    /// How many shards a new cluster of so many founders gets.
    #[must_use]
    pub fn new_cluster_shards(&self, founders: usize) -> u32 {
        let founders = u32::try_from(founders).unwrap_or(u32::MAX);
        let all = || shards_of_a_node().saturating_mul(founders).clamp(1, MAX_SHARDS);
        self.shards.unwrap_or_else(all)
    }
}

fn shards_of_a_node() -> u32 {
    std::thread::available_parallelism().map_or(2, |cores| cores.get().min(4) as u32)
}
