//! Deletion of series, as far as it is an ingester's: entries in the journals of its shards, and the commit.
//!
//! The order: every ingester logs, then one commits. After a shard has logged a deletion, its reads are masked and so is
//! every block that it commits; the commit masks the blocks that there are. A deletion that was cut short between masks
//! some of the samples: it was not acknowledged, and asking again completes it. See docs/adr/0015-deletion.md.

mod request;
mod service;
mod tenants;
mod versions;

pub(crate) use request::{MAX_BYTES, Selected, text_bytes};
pub use service::IngesterDeletion;
pub(crate) use tenants::TenantWatch;
pub(crate) use versions::DeletedVersions;
