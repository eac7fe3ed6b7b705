//! The shard's log: what stands in it, how it is encoded, who proposes it and how it is applied.
//!
//! An entry refers to series of the open generation by number and carries labels only where a series is
//! first used (`docs/adr/0003-series-references-in-the-journal.md`). Layout: `docs/format/entry.md`.

mod builder;
mod command;
mod decode;
mod deletion;
mod encode;
mod entry;
mod histogram;
mod proposer;
mod queue;
mod spelled;
mod starts;
mod state;
#[cfg(test)]
mod tests;
mod varint;

pub(crate) use builder::Built;
pub use builder::EntryBuilder;
pub use command::ShardCommand;
pub use decode::{EntryError, decode};
pub use deletion::DeletionEntry;
pub use encode::encode;
pub use entry::{EntryBatch, TenantEntry, Texts};
#[cfg(test)]
pub(crate) use histogram::tests::native as any_histogram;
pub(crate) use histogram::{decode_histogram, encode_histogram};
pub use proposer::{Proposer, ProposerConfig};
pub(crate) use spelled::{SpelledOut, spell_out};
pub use state::{ShardResponse, ShardState};
pub(crate) use varint::{Reader, push, unzigzag, zigzag};
