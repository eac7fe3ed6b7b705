//! Who the peers are: addresses as they are configured, DNS look-ups behind them, and who is known now.
//!
//! Invariants: a look-up that failed takes nobody away; what is known changes only by an answer. This crate knows
//! nothing of what peers serve or how they are reached.

mod addr;
mod config;
mod dns;
mod error;
mod metrics;
mod search;
mod watcher;

pub use addr::{HostPort, PeerAddr};
pub use config::DiscoveryConfig;
pub use dns::Dns;
pub use error::LookupError;
pub use metrics::Metrics;
pub use watcher::{LookUpAgain, Watcher};
