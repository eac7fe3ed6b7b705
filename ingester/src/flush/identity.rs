//! Which block a generation becomes: pure.

use latewood_base::Ulid;
use latewood_model::TenantId;
use xxhash_rust::xxh3::xxh3_128;

/// Who flushes: a number that no other journal ever flushes under, and the journal that has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlushIdentity {
    /// The journal; nil for one from before there were claims.
    pub journal: Ulid,
    /// The shard's number in the catalogs.
    pub shard: u32,
}

impl FlushIdentity {
    /// The id of the block of a tenant's part of a generation: the same on every replica and in every
    /// attempt after a crash. `attempt` is 0 unless the catalog has other plans for the ids of earlier ones.
    pub(super) fn block_id(&self, tenant: &TenantId, generation: u64, attempt: u32) -> Ulid {
        let mut input = tenant.as_str().as_bytes().to_vec();
        input.push(0xff);
        input.extend_from_slice(&self.shard.to_le_bytes());
        input.extend_from_slice(&generation.to_le_bytes());
        input.extend_from_slice(&attempt.to_le_bytes());
        if self.journal != Ulid::nil() {
            input.extend_from_slice(&self.journal.0.to_le_bytes());
        }
        Ulid::from_parts(generation, xxh3_128(&input))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_tells_tenant_shard_generation_attempt_and_journal_apart() {
        let (a, b) = (TenantId::anonymous(), TenantId::new("b").unwrap());
        let of = |shard| FlushIdentity { journal: Ulid::nil(), shard };
        let ids = [
            of(0).block_id(&a, 7, 0),
            of(0).block_id(&b, 7, 0),
            of(1).block_id(&a, 7, 0),
            of(0).block_id(&a, 8, 0),
            of(0).block_id(&a, 7, 1),
            FlushIdentity { journal: Ulid::from_parts(1, 1), shard: 0 }.block_id(&a, 7, 0),
        ];
        let distinct: std::collections::BTreeSet<_> = ids.into_iter().collect();
        assert_eq!(distinct.len(), 6);
        assert_eq!(of(0).block_id(&a, 7, 0), ids[0]);
        assert_eq!(ids[0].timestamp_ms(), 7);
    }
}
