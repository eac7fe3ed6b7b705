//! The generations of one shard.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use latewood_blockstore::Masks;
use latewood_catalog::Tombstone;
use latewood_cluster::Position;
use latewood_model::{Matcher, TenantId, TimeRange};
use latewood_proto::store::Detail;
use parking_lot::RwLock;

use super::changes::{ChangeCounter, Changes};
use super::deletions::Deletions;
use super::{AppendCounts, ClosedData, ClosedGeneration, Frozen, Generation, TenantHead};
use crate::flush::{LocalBlock, LocalGeneration};
use crate::journal::{DeletionEntry, EntryBatch};

/// A shard's generations. Cheap to clone; clones share them.
#[derive(Clone, Debug)]
pub struct Head(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    generations: RwLock<Generations>,
    /// Whether a checkpoint could not be read, so that what is here is not the state.
    restore_failed: AtomicBool,
    /// Of the list of generations, to wake whoever flushes them.
    changes: ChangeCounter,
}

#[derive(Debug)]
struct Generations {
    open: Arc<Generation>,
    /// Whether the open generation's samples are in local blocks already, so that a replay need not keep them.
    open_on_disk: bool,
    closed: BTreeMap<u64, ClosedGeneration>,
    /// All generations up to this one are dropped.
    floor: u64,
    /// Generations that an earlier run of this process wrote to local blocks.
    on_disk: BTreeSet<u64>,
    /// What is masked in closed generations.
    deletions: Deletions,
}

/// What holds a part of a tenant's samples.
#[derive(Clone, Debug)]
pub enum HeadPart {
    /// Memory.
    Memory(Arc<TenantHead>),
    /// A local block.
    Local(Arc<LocalBlock>),
}

/// A part, and what is not to be read of it.
#[derive(Clone, Debug)]
pub struct MaskedPart {
    /// What holds the samples.
    pub part: HeadPart,
    /// The deletions that came after them.
    pub masks: Masks,
}

/// What became of generations that are on disk and not in the log.
#[derive(Debug)]
pub(crate) struct Adopted {
    /// They are closed generations now.
    pub(crate) adopted: Vec<u64>,
    /// Nobody needs them.
    pub(crate) obsolete: Vec<u64>,
}

/// A tenant's parts at one moment.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The parts of the generations asked for, oldest first.
    pub parts: Vec<MaskedPart>,
    /// All generations up to this one were dropped.
    pub floor: u64,
    /// Whether one of the generations asked for is in local blocks that are not open yet: then there is more.
    pub opening: bool,
}

impl Head {
    /// A head whose open generation is 0; of the generations in `on_disk` the samples are in local blocks.
    #[must_use]
    pub fn new(on_disk: BTreeSet<u64>) -> Self {
        let generations = Generations {
            open_on_disk: on_disk.contains(&0),
            open: Arc::new(Generation::new(0)),
            closed: BTreeMap::new(),
            floor: 0,
            on_disk,
            deletions: Deletions::default(),
        };
        Self(Arc::new(Shared {
            generations: RwLock::new(generations),
            restore_failed: AtomicBool::new(false),
            changes: ChangeCounter::default(),
        }))
    }

    /// The generation that takes writes.
    #[must_use]
    pub fn open(&self) -> Arc<Generation> {
        Arc::clone(&self.0.generations.read().open)
    }

    /// Appends to the open generation; `None` when the entry was made for another one.
    pub(crate) fn write(&self, entry: &EntryBatch) -> Option<AppendCounts> {
        let (open, on_disk) = {
            let generations = self.0.generations.read();
            (Arc::clone(&generations.open), generations.open_on_disk)
        };
        if open.number() != entry.generation {
            return None;
        }
        Some(if on_disk { AppendCounts::default() } else { open.apply(entry) })
    }

    /// Closes the open generation if it is this one, and opens the next.
    pub(crate) fn freeze(&self, generation: u64, next: u64, frozen_at: Position) -> bool {
        let mut generations = self.0.generations.write();
        if generations.open.number() != generation || next <= generation {
            return false;
        }
        let on_disk = generations.on_disk.contains(&next);
        let before = std::mem::replace(&mut generations.open, Arc::new(Generation::new(next)));
        let was_on_disk = std::mem::replace(&mut generations.open_on_disk, on_disk);
        if was_on_disk || !before.is_empty() {
            let data = if was_on_disk { ClosedData::OnDisk } else { ClosedData::Memory(before) };
            let frozen = Some(Frozen { at: frozen_at, next });
            generations.closed.insert(generation, ClosedGeneration::new(generation, frozen, data));
        }
        drop(generations);
        self.changed();
        true
    }

    /// Notes that the leader of a term uploads blocks of a closed generation.
    pub(crate) fn uploading(&self, generation: u64, term: u64) {
        let mut generations = self.0.generations.write();
        let closed = generations.closed.get_mut(&generation);
        if let Some(closed) = closed.filter(|closed| !closed.uploaders.contains(&term)) {
            closed.uploaders.push(term);
        }
    }

    /// The terms whose leaders may have uploaded blocks of a closed generation.
    pub(crate) fn uploaders(&self, generation: u64) -> Vec<u64> {
        let generations = self.0.generations.read();
        generations.closed.get(&generation).map_or_else(Vec::new, |closed| closed.uploaders.clone())
    }

    /// Notes that all generations up to this one are in the catalog.
    pub(crate) fn flushed(&self, generation: u64) {
        let mut generations = self.0.generations.write();
        for closed in generations.closed.range_mut(..=generation) {
            closed.1.flushed = true;
        }
        drop(generations);
        self.changed();
    }

    /// Begins anew behind a checkpoint: all before `open` is flushed.
    pub(crate) fn restore(&self, floor: u64, open: u64) {
        let mut generations = self.0.generations.write();
        generations.open = Arc::new(Generation::new(open));
        generations.open_on_disk = generations.on_disk.contains(&open);
        generations.closed.clear();
        generations.floor = floor;
        generations.deletions = Deletions::default();
        drop(generations);
        self.changed();
    }

    /// Notes that a checkpoint could not be read.
    pub(crate) fn fail_restore(&self) {
        self.0.restore_failed.store(true, Ordering::Relaxed);
    }

    /// Whether a checkpoint could not be read: then nothing here may be served.
    pub(crate) fn restore_failed(&self) -> bool {
        self.0.restore_failed.load(Ordering::Relaxed)
    }

    /// Takes in, after a replay, what the disk has and the log does not: such a generation was acknowledged to
    /// an earlier journal, and is served and flushed like any other. Answers which ones are of no use any
    /// more, because all up to them was dropped. The open generation's number must be greater than all of them.
    pub(crate) fn adopt(&self) -> Adopted {
        let mut generations = self.0.generations.write();
        let (mut adopted, mut obsolete) = (Vec::new(), Vec::new());
        for number in std::mem::take(&mut generations.on_disk) {
            if number <= generations.floor {
                obsolete.push(number);
            } else if let Entry::Vacant(place) = generations.closed.entry(number) {
                let data = ClosedData::OnDisk;
                place.insert(ClosedGeneration::new(number, None, data));
                adopted.push(number);
            }
        }
        drop(generations);
        self.changed();
        Adopted { adopted, obsolete }
    }

    /// Serves a closed generation from local blocks from now on; its memory goes when the last reader ends.
    pub(crate) fn moved_to_disk(&self, generation: u64, local: Arc<LocalGeneration>) {
        let mut generations = self.0.generations.write();
        if let Some(closed) = generations.closed.get_mut(&generation) {
            closed.data = ClosedData::Local(local);
        }
        drop(generations);
        self.changed();
    }

    /// Forgets a flushed generation; views that need it are answered with `StaleView` from now on.
    pub(crate) fn dropped(&self, generation: u64) -> Option<ClosedGeneration> {
        let mut generations = self.0.generations.write();
        generations.floor = generations.floor.max(generation);
        let dropped = generations.closed.remove(&generation);
        let floor = generations.floor;
        generations.deletions.forget(floor);
        drop(generations);
        self.changed();
        dropped
    }

    /// All generations up to this one were dropped.
    pub(crate) fn floor(&self) -> u64 {
        self.0.generations.read().floor
    }

    /// The closed generations, oldest first.
    #[must_use]
    pub fn closed(&self) -> Vec<ClosedGeneration> {
        self.0.generations.read().closed.values().cloned().collect()
    }

    /// What of a tenant is held in generations later than `after`, and in the open one: no catalog can have
    /// that, and one that reaches its number speaks of another log.
    #[must_use]
    pub fn snapshot(&self, tenant: &TenantId, after: u64) -> Snapshot {
        self.snapshot_of(tenant, after, false)
    }

    /// The same of a replica that may be behind: what is open here may be flushed elsewhere, and in blocks of the view.
    #[must_use]
    pub fn snapshot_behind(&self, tenant: &TenantId, after: u64) -> Snapshot {
        self.snapshot_of(tenant, after, true)
    }

    fn snapshot_of(&self, tenant: &TenantId, after: u64, is_behind: bool) -> Snapshot {
        let generations = self.0.generations.read();
        let later = generations.closed.range(after.saturating_add(1)..);
        let mut opening = false;
        let masked = |(&number, closed): (&u64, &ClosedGeneration)| {
            opening |= matches!(closed.data, ClosedData::OnDisk);
            let part = part_of(closed, tenant)?;
            Some(MaskedPart { part, masks: generations.deletions.masks(tenant, number) })
        };
        let mut parts: Vec<MaskedPart> = later.filter_map(masked).collect();
        let is_flushed = is_behind && generations.open.number() <= after;
        let open = generations.open.tenant(tenant).filter(|_| !is_flushed).map(HeadPart::Memory);
        parts.extend(open.map(|part| MaskedPart { part, masks: Masks::default() }));
        Snapshot { parts, floor: generations.floor, opening }
    }

    /// Masks samples of closed generations from now on.
    pub(crate) fn delete(&self, entry: &DeletionEntry) {
        let mut generations = self.0.generations.write();
        if entry.through > generations.floor {
            generations.deletions.add(entry);
        }
    }

    /// The deletions that came after a tenant's samples of a closed generation, bound to no block.
    pub(crate) fn deletions(&self, tenant: &TenantId, generation: u64) -> Vec<Arc<Tombstone>> {
        self.0.generations.read().deletions.of(tenant, generation)
    }

    /// How many deletions of a tenant are held.
    pub(crate) fn held_deletions(&self, tenant: &TenantId) -> (usize, usize) {
        self.0.generations.read().deletions.held(tenant)
    }

    /// Whether any closed generation has, or may have, something of a tenant.
    pub(crate) fn has_closed(&self, tenant: &TenantId) -> bool {
        let generations = self.0.generations.read();
        let may_have = |closed: &ClosedGeneration| {
            matches!(closed.data, ClosedData::OnDisk) || part_of(closed, tenant).is_some()
        };
        generations.closed.values().any(may_have)
    }

    /// Whether the open generation has series of a tenant that match and whose samples span a part of a range. Looks at
    /// all metrics' names: call it off the async runtime.
    pub(crate) fn open_has(&self, tenant: &TenantId, matchers: &[Matcher], range: TimeRange) -> bool {
        let open = self.open().tenant(tenant).filter(|head| head.span().overlaps(range));
        open.is_some_and(|head| head.select(matchers, range, Detail::Labels).next_batch(1, 1).is_some())
    }

    /// Bytes of memory of the open generation and of those that are closed and not yet on disk.
    #[must_use]
    pub fn memory(&self) -> (usize, usize) {
        let generations = self.0.generations.read();
        let closed = generations.closed.values().map(|closed| match &closed.data {
            ClosedData::Memory(generation) => generation.bytes(),
            ClosedData::OnDisk | ClosedData::Local(_) => 0,
        });
        (generations.open.bytes(), closed.sum())
    }

    /// Sees changes of the list of generations.
    #[must_use]
    pub fn changes(&self) -> Changes {
        self.0.changes.subscribe()
    }

    fn changed(&self) {
        self.0.changes.count();
    }
}

fn part_of(closed: &ClosedGeneration, tenant: &TenantId) -> Option<HeadPart> {
    match &closed.data {
        ClosedData::Memory(generation) => generation.tenant(tenant).map(HeadPart::Memory),
        ClosedData::Local(local) => local.block(tenant).map(HeadPart::Local),
        ClosedData::OnDisk => None,
    }
}
