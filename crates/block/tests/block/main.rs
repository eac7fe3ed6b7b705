//! Blocks written to a folder, put into a bucket and read back.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod corruption;
mod data_set;
mod duckdb;
mod golden;
mod histograms;
mod labels;
mod real_sets;
mod rollups;
mod round_trip;
mod select;
mod starts;
mod support;
mod windows;
