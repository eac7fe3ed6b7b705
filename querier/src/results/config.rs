//! Settings of the cache of results.

use serde::{Deserialize, Serialize};

/// Settings of the cache of range queries' results.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ResultsCacheConfig {
    /// Whether results are kept and used. Mimir's `cache_results`.
    pub cache_results: bool,
    /// Bytes of memory that kept results may take. The results of one query may take an eighth of it.
    pub max_bytes: u64,
    /// Steps that are younger than this are not kept, in seconds. That saves work; what is answered does not depend on it.
    /// Mimir's `max_cache_freshness`, Thanos's `--query-range.response-cache-max-freshness`.
    pub max_cache_freshness_seconds: u64,
    /// Whether results are kept of queries whose start is no multiple of their step, which seldom come again. Mimir's
    /// `cache_unaligned_requests`.
    pub cache_unaligned_requests: bool,
}

impl Default for ResultsCacheConfig {
    fn default() -> Self {
        Self {
            cache_results: true,
            max_bytes: 128 << 20,
            max_cache_freshness_seconds: 600,
            cache_unaligned_requests: false,
        }
    }
}

impl ResultsCacheConfig {
    /// Checks what types cannot.
    ///
    /// # Errors
    /// A text that names the field and what it must be.
    pub fn validate(&self) -> Result<(), String> {
        if self.cache_results && self.max_bytes == 0 {
            return Err("max_bytes must be at least 1".to_owned());
        }
        Ok(())
    }
}
