//! PromQL over a fan-out of stores: the Prometheus HTTP API, evaluated over ingesters and store-gateways
//! under one pinned view of the catalog.
//!
//! This crate knows nothing of blocks and journals: it sees data through the Store API alone.

mod config;
mod error;
mod evaluate;
mod fanout;
mod gate;
mod http;
mod metrics;
mod querier;
mod resolutions;
mod results;
mod stores;
#[cfg(test)]
mod testing;

pub use config::QuerierConfig;
pub use error::ApiError;
pub use latewood_promql::Features;
pub use querier::{Querier, QuerierDeps, StatusInfo};
pub use resolutions::SourceResolution;
pub use results::ResultsCacheConfig;
pub use stores::{NamedStore, Stores};
