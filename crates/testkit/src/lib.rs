//! Test support: a failing store, a slow one, a DNS server, and scripts of PromQL.

mod dns_server;
mod faulty_bucket;
mod slow_bucket;

pub use dns_server::DnsServer;
pub use faulty_bucket::{Chances, Fault, FaultyBucket, Gate, Operation, Rule};
pub use slow_bucket::{Asked, SlowBucket, dependent_rounds};
pub mod promqltest;
