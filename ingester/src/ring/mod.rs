//! The ingester as a node of a cluster: how nodes find each other, found a cluster, reach each other's replicas, and hand
//! writes to whoever leads a shard (docs/adr/0018-ingesters-as-a-cluster.md).
//!
//! What all nodes agree on is in the control group (`control_group`); which shards a node has follows from it (`replicas`), and so
//! does what the leader of a shard does about its voters (`steward`).

mod addresses;
mod admin;
mod config;
mod control;
mod control_group;
mod forward;
mod founding;
mod groups;
mod leaders;
mod membership;
mod node;
mod pages;
mod peers;
mod replicas;
mod room;
mod route;
mod service;
#[cfg(test)]
mod socket_tests;
mod steward;
mod transport;

pub use addresses::{AddressBook, Nodes};
pub use config::RingConfig;
pub use control::{Changed, Control, RemoteControl};
pub(crate) use control_group::ControlGroup;
pub use forward::{ForwardError, read_part};
pub use founding::{FoundingParts, find_cluster};
pub use groups::{Groups, Replica};
pub use leaders::{Leaders, Way};
pub(crate) use membership::{Access, Membership};
pub use node::NodeFile;
pub use peers::{Meeting, Met, Peers};
pub(crate) use replicas::Replicas;
pub use route::{RoutedShard, Routes};
pub use service::{LocalShards, RingService};
pub use transport::GrpcTransport;
