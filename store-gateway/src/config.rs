//! Settings of the store-gateway.

use latewood_block::ReaderConfig;
use serde::{Deserialize, Serialize};

use crate::CacheConfig;

/// Settings of the store-gateway.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GatewayConfig {
    /// How blocks are read. Batches are smaller than a compactor's, because a select holds a few of each
    /// block.
    pub reader: ReaderConfig,
    /// Memory of the blocks that are kept open, in bytes; the least recently used are closed first, those in
    /// use live on until they are not.
    pub open_blocks_bytes: usize,
    /// Memory of decoded pages of samples that are kept for the next selects, in bytes; 0 keeps none.
    pub decoded_pages_bytes: u64,
    /// Blocks of one request that are opened, or asked for labels, at once; opening one is five requests to the bucket.
    pub blocks_at_once: usize,
    /// Requests that are answered at once, a select until its stream begins; further ones wait.
    pub max_concurrent_requests: usize,
    /// Up to this many blocks of one select are each decoded ahead in a task of their own; with more, which
    /// would hold too much, one after the other.
    pub decode_ahead_blocks: usize,
    /// What one request may hold at once, in bytes, estimated from the catalog: 256 for each series of each
    /// block in its time, and the batches of samples. More is refused with 422.
    pub max_estimated_memory_consumption_per_request: u64,
    /// What all requests together may hold at once, in bytes, by the same estimate; tables that several read
    /// count once. Further requests wait.
    pub max_estimated_memory_consumption: u64,
    /// How long a request waits for memory before it is refused with 503, in seconds.
    pub memory_wait_seconds: u64,
    /// The cache of what is read from the bucket.
    pub cache: CacheConfig,
}

impl Default for GatewayConfig {
    fn default() -> Self {
        Self {
            reader: ReaderConfig {
                batch_samples: 1 << 16,
                batch_series: 1 << 10,
                batch_pages: 16,
                fetch_bytes: 32 << 20,
                ..ReaderConfig::default()
            },
            open_blocks_bytes: 512 << 20,
            decoded_pages_bytes: 256 << 20,
            blocks_at_once: 50,
            max_concurrent_requests: 64,
            decode_ahead_blocks: 32,
            max_estimated_memory_consumption_per_request: 2 << 30,
            max_estimated_memory_consumption: 4 << 30,
            memory_wait_seconds: 10,
            cache: CacheConfig::default(),
        }
    }
}

impl GatewayConfig {
    /// Checks what types cannot.
    ///
    /// # Errors
    /// A text that names the field and what it must be.
    pub fn validate(&self) -> Result<(), String> {
        self.reader.validate().map_err(|error| format!("store_gateway.reader: {error}"))?;
        self.cache.validate().map_err(|error| format!("store_gateway.cache.{error}"))?;
        let positive = [
            ("blocks_at_once", self.blocks_at_once),
            ("max_concurrent_requests", self.max_concurrent_requests),
        ];
        let (one, all) =
            (self.max_estimated_memory_consumption_per_request, self.max_estimated_memory_consumption);
        if one == 0 || one > all {
            return Err("store_gateway.max_estimated_memory_consumption_per_request must be at least 1 and \
                        at most max_estimated_memory_consumption"
                .to_owned());
        }
        match positive.iter().find(|(_, value)| *value == 0) {
            Some((name, _)) => Err(format!("store_gateway.{name} must be at least 1")),
            None => Ok(()),
        }
    }
}
