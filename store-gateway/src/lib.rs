//! Serves the blocks of the bucket by the Store API.
//!
//! A request names the blocks to answer from: those of one pinned view of the catalog. The answer holds
//! what all of them hold or it is an error; which blocks are asked for, and of whom, is the querier's to say.

mod blocks;
mod cache_config;
mod cache_metrics;
mod cached_item;
mod caching_bucket;
mod config;
mod decoded_pages_metrics;
mod error;
mod memory;
mod metrics;
mod open_blocks;
mod rollups;
mod select;
mod statistics;
mod store_gateway;

pub use cache_config::CacheConfig;
pub use caching_bucket::CachingBucket;
pub use config::GatewayConfig;
pub use error::GatewayError;
pub use store_gateway::StoreGateway;
