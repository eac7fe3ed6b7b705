//! The integration tests: one binary, so that there is one link.
//!
//! Tests beside real programs find them through `LATEWOOD_PEERS` (see CONTRIBUTING.md) and fail in CI
//! when it is not set.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod harness;

mod bucket_tools;
mod cluster;
mod cold_panel;
mod configuration;
mod conformance;
mod corpus;
mod crash;
mod deletion;
mod deploy;
mod differential;
mod gateway_away;
mod ha;
mod histograms;
mod import;
mod label_listings;
mod layers;
mod many_blocks;
mod metrics;
mod monitoring;
mod peers_by_name;
mod query_stats;
mod readme;
mod real_prometheus;
mod remote_read;
mod result_cache;
mod roles;
mod security;
mod start;
mod start_timestamps;
mod tidy;
mod trouble;
mod whole_path;
mod years;
