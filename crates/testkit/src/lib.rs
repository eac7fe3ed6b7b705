//! Test support: failing store, generators, peers.

mod faulty_bucket;

pub use faulty_bucket::{Chances, Fault, FaultyBucket, Gate, Operation, Rule};
pub mod promqltest;
