//! What all nodes of a cluster agree on: who they are, and who has which shards. Kilobytes, in a group of its own; when
//! that has no leader nothing changes, and nothing else stops.

mod command;
mod plan;
mod state;
mod view;

pub use command::ControlCommand;
pub use plan::{control_voters, next_step};
pub use state::{ControlState, Known};
pub use view::{ClusterView, Member, MemberStatus, ShardView};
