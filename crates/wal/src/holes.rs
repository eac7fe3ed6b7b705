//! After a failed append: what would leave a hole in a group's log is refused until the append is repeated.

use crate::error::WalError;
use crate::format::Kind;
use crate::queue::Pending;
use crate::writer::Writer;

impl Writer {
    /// Appends that would leave a hole behind a failed one are set apart.
    pub(crate) fn refuse_holes(&mut self, batch: Vec<Pending>) -> (Vec<Pending>, Vec<(Pending, WalError)>) {
        if self.broken.is_empty() {
            return (batch, Vec::new());
        }
        let (mut good, mut refused) = (Vec::new(), Vec::new());
        for pending in batch {
            match self.first_hole(&pending) {
                Some(error) => refused.push((pending, error)),
                None => good.push(pending),
            }
        }
        (good, refused)
    }

    fn first_hole(&mut self, pending: &Pending) -> Option<WalError> {
        for record in &pending.records {
            let Some(missing) = self.broken.get(&record.group()).copied() else {
                continue;
            };
            let (group, index) = (record.group(), record.index());
            match record.kind() {
                Kind::Entry if index > missing => {
                    return Some(WalError::AfterFailure { group, index, missing });
                }
                Kind::Entry => drop(self.broken.remove(&group)),
                Kind::Truncate if index <= missing.saturating_add(1) => drop(self.broken.remove(&group)),
                _ => {}
            }
        }
        None
    }

    pub(crate) fn note_broken(&mut self, batch: &[Pending]) {
        for record in batch.iter().flat_map(|pending| &pending.records) {
            let missing = match record.kind() {
                Kind::Entry => record.index(),
                Kind::Truncate => record.index().saturating_sub(1),
                _ => continue,
            };
            let first = self.broken.entry(record.group()).or_insert(missing);
            *first = missing.min(*first);
        }
    }
}
