//! Remote write over HTTP: from a request to validated columns, and from what became of them to an answer.
//!
//! A request is bounded at every step: bytes before and after decompression, items, memory of all
//! requests together, time. What is wrong with one series or sample is refused by name while the rest is
//! stored; only a broken request is refused as a whole. Nothing here knows where series are kept.

mod answer;
mod histograms;
mod http;
mod inflight;
mod log;
mod metrics;
mod negotiate;
mod prepare;
mod service;
mod type_labels;
mod validate;

pub use answer::{Receipt, Written};
pub use http::routes;
pub use negotiate::Protocol;
pub use service::PushService;

#[cfg(test)]
mod tests;
