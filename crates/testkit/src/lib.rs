//! Test support: a failing store, a DNS server, and scripts of PromQL.

mod dns_server;
mod faulty_bucket;

pub use dns_server::DnsServer;
pub use faulty_bucket::{Chances, Fault, FaultyBucket, Gate, Operation, Rule};
pub mod promqltest;
