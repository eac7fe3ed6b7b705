//! Test support: a failing store, and scripts of PromQL.

mod faulty_bucket;

pub use faulty_bucket::{Chances, Fault, FaultyBucket, Gate, Operation, Rule};
pub mod promqltest;
