//! Test support: a failing store, slow ones, a DNS server, certificates, tokens, scripts of PromQL and random expressions.

mod authority;
mod dns_server;
mod faulty_bucket;
mod random_expressions;
mod slow_bucket;
mod token_issuer;
mod wavering_bucket;

pub use authority::{Authority, Issued};
pub use dns_server::DnsServer;
pub use faulty_bucket::{Chances, Fault, FaultyBucket, Gate, Operation, Rule};
pub use random_expressions::RandomExpressions;
pub use slow_bucket::{Asked, SlowBucket, dependent_rounds};
pub use token_issuer::TokenIssuer;
pub use wavering_bucket::WaveringBucket;
pub mod promqltest;
