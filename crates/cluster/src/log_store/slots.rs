//! Which group of the journal has the log of a group.
//!
//! A node that gave a group away and gets it back must begin it anew: an old log is no beginning of what the others have
//! by then, and the journal lets nothing be written below what it purged. So each time that a node gets a group back its log is
//! another group of the journal, numbered `group + n * 2^40`, and the one before is marked as retired and empty.

use std::collections::BTreeSet;

use bytes::Bytes;
use latewood_wal::{GroupId, Journal, Record, WalError};

use super::{KEY_CHECKPOINT, KEY_MEMBERSHIP, KEY_RETIRED};

const STEP: u64 = 1 << 40;

/// The group of the journal that has a group's log, or is to have it.
pub(super) fn current(journal: &Journal, group: GroupId) -> GroupId {
    match newest(journal, group) {
        None => group,
        Some(slot) if is_retired(journal, slot) => slot + STEP,
        Some(slot) => slot,
    }
}

/// The groups that this node has, or had.
#[must_use]
pub fn known_groups(journal: &Journal) -> BTreeSet<GroupId> {
    journal.groups().into_iter().map(|slot| slot % STEP).collect()
}

/// Lets go of a group that this node has no part in any more, and that does not run here. It may be started again later: then
/// it has no log.
///
/// # Errors
/// The journal refuses.
pub async fn retire(journal: &Journal, group: GroupId) -> Result<(), WalError> {
    let Some(slot) = newest(journal, group).filter(|slot| !is_retired(journal, *slot)) else {
        return Ok(());
    };
    let empty = |key| Record::state(slot, key, Bytes::new());
    let retired = Record::state(slot, KEY_RETIRED, Bytes::from_static(&[1]));
    let records = vec![retired, Record::truncate(slot, 0), empty(KEY_MEMBERSHIP), empty(KEY_CHECKPOINT)];
    journal.append(records).await
}

fn newest(journal: &Journal, group: GroupId) -> Option<GroupId> {
    journal.groups().into_iter().filter(|slot| slot % STEP == group).max()
}

fn is_retired(journal: &Journal, slot: GroupId) -> bool {
    journal.state(slot, KEY_RETIRED).is_some()
}
