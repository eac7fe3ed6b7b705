//! What ingesters of a cluster ask of each other.

mod api;
mod client;
#[cfg(test)]
mod remote_tests;
mod server;

pub use api::ClusterApi;
pub use client::{ClusterWire, RemoteCluster};
pub use server::ClusterService;

/// The messages as generated from `cluster.proto`.
#[allow(missing_docs, clippy::pedantic, unused_qualifications)]
pub mod wire {
    tonic::include_proto!("latewood.cluster.v1");
}
