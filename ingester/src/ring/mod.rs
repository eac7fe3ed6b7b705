//! The ingester as a node of a cluster: how nodes find each other, found a cluster, reach each other's replicas, and hand
//! writes to whoever leads a shard (docs/adr/0018-ingesters-as-a-cluster.md).
//!
//! What replicas a node has is not decided here.

mod addresses;
mod config;
mod control;
mod forward;
mod founding;
mod groups;
mod leaders;
mod node;
mod peers;
mod route;
mod service;
#[cfg(test)]
mod socket_tests;
mod transport;

pub use addresses::{AddressBook, Nodes};
pub use config::RingConfig;
pub use control::{Changed, Control, RemoteControl};
pub use forward::{ForwardError, read_part};
pub use founding::{FoundingParts, find_cluster};
pub use groups::{Groups, Replica};
pub use leaders::Leaders;
pub use node::NodeFile;
pub use peers::{Meeting, Met, Peers};
pub use route::{RoutedShard, Routes};
pub use service::{LocalShards, RingService};
pub use transport::GrpcTransport;
