//! After a replay: what lies on disk against what the log and the head know.

use std::collections::BTreeSet;

use super::listed;
use crate::flush::{FlushError, LocalStore};
use crate::head::{Adopted, Head};

/// A shard whose log is replayed and whose local blocks are not open yet.
pub(super) struct Tidying {
    pub(super) local: LocalStore,
    pub(super) head: Head,
    /// Generations on disk that cannot be read; the replay has kept their samples, if the log has them.
    pub(super) damaged: BTreeSet<u64>,
}

impl Tidying {
    /// Takes in what only the disk has, deletes what nobody needs, and moves out of the way what cannot be
    /// read and cannot be written again. Blocks.
    pub(super) fn run(self) -> Result<(), FlushError> {
        let Adopted { adopted, obsolete } = self.head.adopt();
        if !adopted.is_empty() {
            let generations = listed(&adopted);
            tracing::warn!(generations, "took in blocks that an earlier journal left on disk");
        }
        for generation in obsolete {
            self.local.delete(generation)?;
        }
        let in_log: BTreeSet<u64> = self.head.closed().iter().map(|closed| closed.number).collect();
        for &generation in self.damaged.difference(&in_log) {
            if generation <= self.head.floor() {
                self.local.delete(generation)?;
                continue;
            }
            let aside = self.local.set_aside(generation)?;
            let aside = aside.display();
            tracing::error!(%aside, "a damaged local block has samples that are in no journal: they are lost");
        }
        Ok(())
    }
}
