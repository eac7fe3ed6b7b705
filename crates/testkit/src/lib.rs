//! Test support: a failing store, slow ones, a DNS server, certificates, scripts of PromQL and random expressions.

mod authority;
mod dns_server;
mod faulty_bucket;
mod random_expressions;
mod slow_bucket;
mod wavering_bucket;

pub use authority::{Authority, Issued};
pub use dns_server::DnsServer;
pub use faulty_bucket::{Chances, Fault, FaultyBucket, Gate, Operation, Rule};
pub use random_expressions::RandomExpressions;
pub use slow_bucket::{Asked, SlowBucket, dependent_rounds};
pub use wavering_bucket::WaveringBucket;
pub mod promqltest;
