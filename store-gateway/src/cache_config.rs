//! Settings of the cache.

use serde::{Deserialize, Serialize};

/// Settings of the cache of what store-gateways read from a bucket. A bucket that is a folder has none: its file system
/// caches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CacheConfig {
    /// The most memory that indexes and pages of blocks take in the cache, in bytes. 0, with no disk either, is no
    /// cache.
    pub max_size_bytes: u64,
    /// The largest object or page that is kept, in bytes.
    pub max_item_size_bytes: u64,
    /// The most disk that they take, in bytes, below the data folder; what is there outlives a restart. 0 is none.
    pub disk_max_size_bytes: u64,
}

impl Default for CacheConfig {
    fn default() -> Self {
        Self { max_size_bytes: 256 << 20, max_item_size_bytes: 8 << 20, disk_max_size_bytes: 0 }
    }
}

impl CacheConfig {
    /// In such pieces the disk is used, and the largest item is smaller.
    pub(crate) const DISK_UNIT_BYTES: usize = 16 << 20;

    /// Whether anything is to be kept.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.max_size_bytes > 0 || self.disk_max_size_bytes > 0
    }

    /// Checks what types cannot.
    ///
    /// # Errors
    /// A text that names the field and what it must be.
    pub fn validate(&self) -> Result<(), String> {
        let unit = Self::DISK_UNIT_BYTES as u64;
        if (1..4 * unit).contains(&self.disk_max_size_bytes) {
            return Err("disk_max_size_bytes must be 0 or at least 67108864 (64 MiB)".to_owned());
        }
        if self.max_item_size_bytes == 0 || self.max_item_size_bytes > unit / 2 {
            return Err("max_item_size_bytes must be between 1 and 8388608 (8 MiB)".to_owned());
        }
        Ok(())
    }
}
