//! Replicated state machines over the journal.
//!
//! A [`Group`] is a log of commands that every replica applies in the same order to a
//! [`ReplicatedState`]. The log lives in `wal`; consensus is openraft's. No openraft type leaves this
//! crate, so that its version is a local choice (ADR 0002).
//!
//! This crate knows nothing of metrics, tenants or blocks.

mod codec;
mod config;
mod control;
mod error;
mod group;
mod log_store;
mod machine;
mod network;
mod placement;
mod runtime;
mod state;
#[cfg(test)]
mod suite_tests;
#[cfg(feature = "testing")]
pub mod testing;
mod transport;
mod types;

pub use config::GroupConfig;
pub use control::{
    ClusterView, ControlCommand, ControlState, Known, Member, MemberStatus, ShardView, control_voters,
    next_step,
};
pub use error::ClusterError;
pub use group::{Group, GroupStatus, Role};
pub use latewood_wal::GroupId;
pub use log_store::{known_groups, retire};
pub use placement::{Placement, Site, lead, place};
#[cfg(feature = "testing")]
pub use runtime::seed_chance;
pub use state::{Command, DecodeError, Position, ReplicatedState};
pub use transport::{NoTransport, Peer, Transport, TransportError};
