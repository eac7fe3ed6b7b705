//! The Store API: how a querier reads from ingesters and store-gateways.

mod api;
mod convert;
mod error;

pub use api::{FrameStream, StoreApi};
pub use convert::{FrameBuilder, frame_series, matcher_from_wire, matcher_to_wire};
pub use error::StoreError;

/// The messages as generated from `store.proto`.
#[allow(missing_docs, clippy::pedantic, unused_qualifications)]
pub mod wire {
    tonic::include_proto!("latewood.store.v1");
}
