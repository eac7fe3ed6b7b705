//! The Store API: how a querier reads from ingesters and store-gateways.

mod api;
mod client;
mod convert;
mod error;
mod frame;
mod histograms;
mod joiner;
mod lane;
mod limits;
mod merge;
#[cfg(test)]
mod remote_tests;
mod ring;
mod rollups_frame;
mod server;
mod starts;
mod status;
mod stored_series;

pub use api::{SelectBatch, SelectStream, StoreApi};
pub use client::RemoteStore;
pub use convert::{matcher_from_wire, matcher_to_wire, matchers_from_wire};
pub use error::StoreError;
pub use lane::Lane;
pub use limits::WireLimits;
pub use merge::{BatchBounds, SeriesStream, merge_ahead, merge_series, work_ahead};
pub use ring::{Leaderless, Ring, distinct_shards, listed_shards};
pub use server::StoreService;
pub(crate) use status::{error_from_status, is_from_a_peer, reply, take};
pub use stored_series::{JoinRuns, StoredSeries};
pub use wire::select_request::Detail;

/// The messages as generated from `store.proto`.
#[allow(missing_docs, clippy::pedantic, unused_qualifications)]
pub mod wire {
    tonic::include_proto!("latewood.store.v1");
}
