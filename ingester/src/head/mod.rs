//! The memory of a shard: generations of series with their samples.
//!
//! Owns what is acknowledged and not yet in blocks of the bucket. A [`Head`] has one open generation that
//! takes writes and closed ones that wait for their flush; a [`Generation`] has a [`TenantHead`] per
//! tenant. Only the shard's state machine ([`crate::journal::ShardState`]) writes; everything here is a
//! function of the entries applied, never of a clock. References of series count up within a tenant and
//! generation in the order of the log, so that every replica and every replay gives the same ones.
//!
//! Invariants: nothing that was appended is lost before its generation is dropped; a reader sees each
//! time of a series once, by the tie rule; series come in storage order.

mod bits;
mod changes;
mod chunk;
mod closed;
mod columns;
mod cursor;
mod deletions;
mod generation;
mod histogram_chunk;
mod histograms;
mod kept_labels;
mod matching;
mod order;
mod pairs;
mod samples_read;
mod sealed_chunk;
mod selections;
mod series;
mod shard_head;
mod shared_times;
mod started;
mod statistics;
mod table;
mod tenant_head;
#[cfg(test)]
mod tests;
mod xor_reader;

pub use changes::Changes;
pub use closed::{ClosedData, ClosedGeneration, Frozen};
pub use cursor::HeadCursor;
pub use generation::Generation;
pub(crate) use shard_head::Adopted;
pub use shard_head::{Head, HeadPart, MaskedPart, Snapshot};
pub use statistics::HeadStatistics;
pub use table::AppendCounts;
pub use tenant_head::TenantHead;
