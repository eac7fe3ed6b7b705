//! What a tenant's log amounts to at one version. Pure: no I/O, no clock.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use latewood_base::Ulid;
use latewood_model::{Resolution, TenantId, TimeRange, TimestampMs};

use crate::{BlockEntry, Change, Commit, Conflict, FlushStep, NoCompactMark, TenantFate, Tombstone};

/// A block that may not come back; its objects go after the grace period.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeadBlock {
    /// When it died, by the committer's clock, in milliseconds since the Unix epoch.
    pub since_ms: TimestampMs,
}

/// A tenant's blocks at one version of its log. Cheap to clone: entries are shared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// Whose.
    pub tenant: TenantId,
    /// The sequence of the last commit in it; 0 before the first.
    pub version: u64,
    /// The live blocks.
    pub blocks: BTreeMap<Ulid, Arc<BlockEntry>>,
    /// The last flushed head generation of each shard; a shard that is not there has flushed none (0).
    pub flushed: BTreeMap<u32, u64>,
    /// Blocks that are not live any more, or never were, and whose objects are garbage.
    pub dead: BTreeMap<Ulid, DeadBlock>,
    /// Deletions that bind at least one live block.
    pub tombstones: BTreeMap<Ulid, Arc<Tombstone>>,
    /// Live blocks that compaction leaves alone.
    pub no_compact: BTreeMap<Ulid, Arc<NoCompactMark>>,
    /// Deletions that compaction applies without waiting.
    pub apply_now: BTreeSet<Ulid>,
    /// Since when the tenant is being deleted, by the committer's clock; none if it is not.
    pub deleted_since_ms: Option<TimestampMs>,
}

impl View {
    /// The view before the first commit.
    #[must_use]
    pub fn empty(tenant: TenantId) -> Self {
        Self {
            tenant,
            version: 0,
            blocks: BTreeMap::new(),
            flushed: BTreeMap::new(),
            dead: BTreeMap::new(),
            tombstones: BTreeMap::new(),
            no_compact: BTreeMap::new(),
            apply_now: BTreeSet::new(),
            deleted_since_ms: None,
        }
    }

    /// Whether the tenant is being deleted: it is neither written to nor read.
    #[must_use]
    pub fn is_deleted(&self) -> bool {
        self.deleted_since_ms.is_some()
    }

    /// The last flushed generation of a shard; 0 when it has flushed none.
    #[must_use]
    pub fn flushed_generation(&self, shard: u32) -> u64 {
        self.flushed.get(&shard).copied().unwrap_or(0)
    }

    /// The live blocks of a resolution that have samples to answer with in a time range, by id.
    pub fn overlapping(
        &self,
        resolution: Resolution,
        range: TimeRange,
    ) -> impl Iterator<Item = &Arc<BlockEntry>> {
        let blocks = self.blocks.values();
        blocks
            .filter(move |block| block.resolution == resolution && !block.tail && block.range.overlaps(range))
    }

    /// The tombstones that bind a block.
    pub fn tombstones_of(&self, block: Ulid) -> impl Iterator<Item = &Arc<Tombstone>> {
        let all = self.tombstones.values();
        all.filter(move |tombstone| tombstone.blocks.contains(&block))
    }

    /// The view after one more commit.
    ///
    /// # Errors
    /// [`Conflict`] when the commit does not fit this view.
    pub fn apply(&self, commit: &Commit) -> Result<Self, Conflict> {
        // What needs no copy of the view first: most refusals are found here.
        self.check_order(commit)?;
        check_by_itself(&commit.change)?;
        self.clone().changed(commit)
    }

    /// As [`View::apply`], without a copy: for replay.
    pub(crate) fn applied(self, commit: &Commit) -> Result<Self, Conflict> {
        self.check_order(commit)?;
        check_by_itself(&commit.change)?;
        self.changed(commit)
    }

    fn check_order(&self, commit: &Commit) -> Result<(), Conflict> {
        let expected = self.version.saturating_add(1);
        if commit.sequence != expected || commit.tenant != self.tenant {
            return Err(Conflict::OutOfOrder { expected, found: commit.sequence });
        }
        Ok(())
    }

    fn changed(mut self, commit: &Commit) -> Result<Self, Conflict> {
        let (change, at_ms) = (&commit.change, commit.at_ms);
        self.version = commit.sequence;
        self.decide(change.fate, at_ms);
        if self.is_deleted() && !change.add.is_empty() {
            return Err(Conflict::TenantDeleted);
        }
        change.flushed.iter().try_for_each(|step| self.step(*step))?;
        self.check_tombstones_applied(change)?;
        for id in &change.remove {
            self.remove(*id, at_ms)?;
        }
        change.add.iter().try_for_each(|block| self.add(block))?;
        for id in &change.mark_dead {
            self.mark_dead(*id, at_ms)?;
        }
        for id in &change.forget_dead {
            self.dead.remove(id);
        }
        let tombstones = &change.add_tombstones;
        tombstones.iter().try_for_each(|tombstone| self.bury(tombstone))?;
        change.no_compact.iter().try_for_each(|mark| self.mark_no_compact(mark))?;
        for id in &change.compact_again {
            self.no_compact.remove(id);
        }
        let known = change.apply_now.iter().filter(|id| self.tombstones.contains_key(id));
        self.apply_now.extend(known);
        Ok(self)
    }

    fn decide(&mut self, fate: Option<TenantFate>, at_ms: TimestampMs) {
        match fate {
            // Whoever deleted it first began its delay.
            Some(TenantFate::Deleted) => _ = self.deleted_since_ms.get_or_insert(at_ms),
            Some(TenantFate::Kept) => self.deleted_since_ms = None,
            None => {}
        }
    }

    fn step(&mut self, step: FlushStep) -> Result<(), Conflict> {
        let found = self.flushed_generation(step.shard);
        if found != step.from {
            return Err(Conflict::FlushedElsewhere { shard: step.shard, expected: step.from, found });
        }
        self.flushed.insert(step.shard, step.to);
        Ok(())
    }

    /// A compaction that has not seen a tombstone of its inputs would bring deleted samples back.
    fn check_tombstones_applied(&self, change: &Change) -> Result<(), Conflict> {
        let bound = |block: &Ulid| {
            let mut tombstones = self.tombstones_of(*block);
            let missed = tombstones.find(|tombstone| !change.applied_tombstones.contains(&tombstone.id));
            missed.map(|tombstone| Conflict::TombstoneNotApplied { block: *block, tombstone: tombstone.id })
        };
        if let Some(id) = change.based_on.iter().find(|id| !self.blocks.contains_key(id)) {
            return Err(Conflict::BlockNotLive(*id));
        }
        if change.add.is_empty() {
            return Ok(());
        }
        change.remove.iter().chain(&change.based_on).find_map(bound).map_or(Ok(()), Err)
    }

    fn remove(&mut self, id: Ulid, at_ms: TimestampMs) -> Result<(), Conflict> {
        if self.blocks.remove(&id).is_none() {
            return Err(Conflict::BlockNotLive(id));
        }
        self.dead.insert(id, DeadBlock { since_ms: at_ms });
        self.no_compact.remove(&id);
        let bound: Vec<Ulid> = self.tombstones_of(id).map(|tombstone| tombstone.id).collect();
        for tombstone in bound {
            self.unbind(tombstone, id);
        }
        Ok(())
    }

    fn unbind(&mut self, tombstone: Ulid, block: Ulid) {
        let Some(entry) = self.tombstones.get_mut(&tombstone) else {
            return;
        };
        let entry = Arc::make_mut(entry);
        entry.blocks.remove(&block);
        if entry.blocks.is_empty() {
            self.tombstones.remove(&tombstone);
            self.apply_now.remove(&tombstone);
        }
    }

    fn add(&mut self, block: &BlockEntry) -> Result<(), Conflict> {
        if self.dead.contains_key(&block.id) {
            return Err(Conflict::BlockDead(block.id));
        }
        let before = self.blocks.insert(block.id, Arc::new(block.clone()));
        before.map_or(Ok(()), |_| Err(Conflict::AlreadyAdded(block.id)))
    }

    fn mark_dead(&mut self, id: Ulid, at_ms: TimestampMs) -> Result<(), Conflict> {
        if self.blocks.contains_key(&id) {
            return Err(Conflict::BlockLive(id));
        }
        // Whoever marked it first began its grace period.
        self.dead.entry(id).or_insert(DeadBlock { since_ms: at_ms });
        Ok(())
    }

    fn mark_no_compact(&mut self, mark: &NoCompactMark) -> Result<(), Conflict> {
        if !self.blocks.contains_key(&mark.block) {
            return Err(Conflict::BlockNotLive(mark.block));
        }
        self.no_compact.insert(mark.block, Arc::new(mark.clone()));
        Ok(())
    }

    fn bury(&mut self, tombstone: &Tombstone) -> Result<(), Conflict> {
        if let Some(id) = tombstone.blocks.iter().find(|id| !self.blocks.contains_key(id)) {
            return Err(Conflict::BlockNotLive(*id));
        }
        if self.tombstones.contains_key(&tombstone.id) {
            return Err(Conflict::Invalid(format!("tombstone {} exists already", tombstone.id)));
        }
        if !tombstone.blocks.is_empty() {
            self.tombstones.insert(tombstone.id, Arc::new(tombstone.clone()));
        }
        Ok(())
    }
}

/// What must hold of a change whatever the view.
fn check_by_itself(change: &Change) -> Result<(), Conflict> {
    let invalid = |message: String| Err(Conflict::Invalid(message));
    if let Some(step) = change.flushed
        && step.to <= step.from
    {
        return invalid(format!(
            "shard {} cannot step from generation {} to {}",
            step.shard, step.from, step.to
        ));
    }
    for block in &change.add {
        block.check().or_else(invalid)?;
    }
    for tombstone in &change.add_tombstones {
        tombstone.check().or_else(invalid)?;
    }
    for mark in &change.no_compact {
        mark.check().or_else(invalid)?;
    }
    let added: BTreeSet<Ulid> = change.add.iter().map(|block| block.id).collect();
    if added.len() != change.add.len() {
        return invalid("a block is added twice".to_owned());
    }
    let ends = change.remove.iter().chain(&change.mark_dead).chain(&change.forget_dead);
    let mut seen = BTreeSet::new();
    for id in ends {
        if added.contains(id) || !seen.insert(*id) {
            return invalid(format!("block {id} is named twice in one change"));
        }
    }
    Ok(())
}
