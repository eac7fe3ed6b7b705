//! Deletion of series: how a querier has ingesters delete.

mod api;
mod client;
mod server;

pub use api::DeletionApi;
pub use client::RemoteDeletion;
pub use server::DeletionService;

/// The messages as generated from `deletion.proto`.
#[allow(missing_docs, clippy::pedantic, unused_qualifications)]
pub mod wire {
    tonic::include_proto!("latewood.deletion.v1");
}
