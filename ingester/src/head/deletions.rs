//! Deletions of samples that are in closed generations.

use std::sync::Arc;

use latewood_blockstore::{Mask, Masks};
use latewood_catalog::Tombstone;
use latewood_model::TenantId;

use crate::deletion::text_bytes;
use crate::journal::DeletionEntry;

/// What is masked in a shard's closed generations, in the order of the log. The open generation has nothing that is
/// masked: a deletion closes it first where it has any of that.
#[derive(Debug, Default)]
pub(super) struct Deletions(Vec<Deletion>);

#[derive(Debug)]
struct Deletion {
    tenant: TenantId,
    /// The last generation that it masks.
    through: u64,
    tombstone: Arc<Tombstone>,
    mask: Arc<Mask>,
}

impl Deletions {
    /// Takes in an entry's. One that is known, because its entry was proposed twice, reaches further from now on.
    pub(super) fn add(&mut self, entry: &DeletionEntry) {
        for tombstone in &entry.tombstones {
            if let Some(known) = self.0.iter_mut().find(|known| known.tombstone.id == tombstone.id) {
                known.through = known.through.max(entry.through);
                continue;
            }
            match Mask::of(tombstone) {
                Ok(mask) => self.0.push(Deletion {
                    tenant: entry.tenant.clone(),
                    through: entry.through,
                    tombstone: Arc::new(tombstone.clone()),
                    mask: Arc::new(mask),
                }),
                // Conditions were compiled before the entry was proposed.
                Err(error) => tracing::error!(tenant = %entry.tenant, %error, "a deletion is not applied"),
            }
        }
    }

    fn in_generation(&self, tenant: &TenantId, generation: u64) -> impl Iterator<Item = &Deletion> {
        self.0.iter().filter(move |deletion| deletion.through >= generation && deletion.tenant == *tenant)
    }

    /// What is not to be read of a tenant's samples of a generation.
    pub(super) fn masks(&self, tenant: &TenantId, generation: u64) -> Masks {
        self.in_generation(tenant, generation).map(|deletion| Arc::clone(&deletion.mask)).collect()
    }

    /// What binds a tenant's block of a generation.
    pub(super) fn of(&self, tenant: &TenantId, generation: u64) -> Vec<Arc<Tombstone>> {
        self.in_generation(tenant, generation).map(|deletion| Arc::clone(&deletion.tombstone)).collect()
    }

    /// How many a tenant has, and the bytes of their texts.
    pub(super) fn held(&self, tenant: &TenantId) -> (usize, usize) {
        let own = self.0.iter().filter(|deletion| deletion.tenant == *tenant);
        own.fold((0, 0), |(count, bytes), deletion| (count + 1, bytes + text_bytes(&deletion.tombstone)))
    }

    /// Forgets those that mask nothing any more, as all generations up to `floor` are dropped.
    pub(super) fn forget(&mut self, floor: u64) {
        self.0.retain(|deletion| deletion.through > floor);
    }
}
