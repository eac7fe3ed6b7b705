//! Bounds on the Store API's messages over gRPC.

use serde::{Deserialize, Serialize};

/// Bounds on the Store API's messages over gRPC, the same for server and client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WireLimits {
    /// The largest message that is sent or taken, in bytes after decompression. Default 64 MiB.
    pub max_message_bytes: usize,
    /// Whether messages are compressed with zstd; both ways are always understood. Default true.
    pub compress: bool,
}

impl Default for WireLimits {
    fn default() -> Self {
        Self { max_message_bytes: 64 << 20, compress: true }
    }
}

impl WireLimits {
    /// Checks what types cannot.
    ///
    /// # Errors
    /// A text that names the field and what it must be.
    pub fn validate(&self) -> Result<(), String> {
        if self.max_message_bytes < 1 << 20 {
            return Err("wire.max_message_bytes must be at least 1048576 (1 MiB)".to_owned());
        }
        Ok(())
    }
}
