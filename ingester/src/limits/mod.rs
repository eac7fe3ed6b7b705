//! What a tenant may write: how many series, and how many samples a second.
//!
//! The rate is counted where a request comes in, against this node's part of it, before any of the request is handed on:
//! a request is taken whole or not at all. Series are counted by the leaders of shards, right before they propose:
//! a node counts those of all shards that it leads together, against their part of the limit. What is
//! decided here is decided before an entry is in a log; nothing that applies entries knows of limits, settings or clocks.
//!
//! A tenant's **active series** are those of the open generation, and those of generations before it that were frozen
//! less than 20 minutes ago (`ledger::IDLE`). So a freeze makes no room for other series, those that go on are known at once, and
//! those that ended make room 20 minutes after the freeze. It must not know of HTTP, nor how entries are encoded.

mod admission;
mod bucket;
mod config;
mod ledger;
mod rates;
mod series;
mod share;
mod table;

pub(crate) use admission::{Admission, Candidate};
pub use config::{LimitsConfig, TenantLimits};
pub use rates::RateLimits;
pub(crate) use series::{SeriesLimits, ShardLimits};
pub use table::Limits;

#[cfg(test)]
mod tests;
