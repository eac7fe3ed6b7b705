//! The compactor over buckets in memory: what it answers, whatever fails.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod answers;
mod deduplication;
mod faults;
mod joins;
mod pairs;
mod quarantine;
mod reader;
mod rebuild;
mod retention;
mod rollups;
mod simulation;
mod world;
