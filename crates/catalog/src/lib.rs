//! The catalog of blocks: a log of commits per tenant.
//!
//! A commit is the creation, if absent, of `<tenant>/catalog/<sequence>`; the log is gapless, and a view is
//! what its commits amount to. [`View`] is pure and decides; [`TenantCatalog`] does the I/O. Nothing is asked
//! of the bucket but create-if-absent, put, get and head; a log that nothing leads into is listed.

mod audit;
mod block_entry;
mod catalogs;
mod change;
mod checkpoint;
mod claims;
mod committer;
mod config;
mod damage;
mod envelope;
mod error;
mod founding;
mod garbage;
mod hint;
mod keys;
mod lease;
mod load;
mod log;
mod metrics;
mod no_compact;
mod place;
mod prune;
mod rebuild;
mod tenant_catalog;
mod tombstone;
mod uncommitted;
mod view;

pub use audit::{AuditEntry, MAX_AUDIT_ENTRIES};
pub use block_entry::{BlockEntry, FileEntry, MAX_FILES, MAX_LINEAGE, MAX_REPLICA_LABELS, block_folder};
pub use catalogs::Catalogs;
pub use change::{Change, Commit, FlushStep, TenantFate};
pub use claims::FIRST_CLAIMED_SHARD;
pub use config::{CatalogConfig, CatalogConfigError};
pub use error::{CatalogError, Conflict};
pub use founding::{ClusterRecord, Founder, hex_u64};
pub use garbage::{
    GarbagePolicy, GarbageReport, GarbageStep, ListedBlock, collect_garbage, find_garbage, group_listing,
    plan_garbage,
};
pub use latewood_objstore::Usage;
pub use lease::{Lease, StandingLease};
pub use no_compact::NoCompactMark;
pub use place::Place;
pub use rebuild::plan_rebuild;
pub use tenant_catalog::TenantCatalog;
pub use tombstone::{Tombstone, TombstoneMatcher};
pub use view::{DeadBlock, View};
