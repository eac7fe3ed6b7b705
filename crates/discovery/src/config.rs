//! Settings of discovery.

use std::net::SocketAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How peers are looked up whose addresses begin with `dns+` or `dnssrv+`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DiscoveryConfig {
    /// How often names are looked up, in seconds; at once, too, when a peer does not answer. Thanos's
    /// `--store.sd-dns-interval`.
    pub dns_interval_seconds: u64,
    /// How long one look-up may take, in seconds, with all attempts.
    pub dns_timeout_seconds: u64,
    /// DNS servers to ask, each as `address:port`, such as Consul's `127.0.0.1:8600`. Default none: those of
    /// `/etc/resolv.conf`, with its search list.
    pub dns_servers: Vec<SocketAddr>,
}

impl Default for DiscoveryConfig {
    fn default() -> Self {
        Self { dns_interval_seconds: 30, dns_timeout_seconds: 10, dns_servers: Vec::new() }
    }
}

impl DiscoveryConfig {
    /// Checks what types cannot.
    ///
    /// # Errors
    /// A text that names the field and what it must be.
    pub fn validate(&self) -> Result<(), String> {
        if self.dns_interval_seconds == 0 {
            return Err("dns_interval_seconds must be at least 1".to_owned());
        }
        if self.dns_timeout_seconds == 0 {
            return Err("dns_timeout_seconds must be at least 1".to_owned());
        }
        Ok(())
    }

    pub(crate) fn interval(&self) -> Duration {
        Duration::from_secs(self.dns_interval_seconds)
    }

    pub(crate) fn timeout(&self) -> Duration {
        Duration::from_secs(self.dns_timeout_seconds)
    }
}
