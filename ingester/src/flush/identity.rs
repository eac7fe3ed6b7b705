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
    /// The id of the block of a tenant's part of a generation, as the leader of a term uploads it: replicas may encode
    /// it differently, so no two leaders write under one id. Term 0 is that of blocks from before terms were logged.
    /// `attempt` is 0 unless the catalog has other plans for the ids of earlier ones.
    pub(super) fn block_id(&self, tenant: &TenantId, generation: u64, (term, attempt): (u64, u32)) -> Ulid {
        let mut input = tenant.as_str().as_bytes().to_vec();
        input.push(0xff);
        input.extend_from_slice(&self.shard.to_le_bytes());
        input.extend_from_slice(&generation.to_le_bytes());
        input.extend_from_slice(&attempt.to_le_bytes());
        if self.journal != Ulid::nil() {
            input.extend_from_slice(&self.journal.0.to_le_bytes());
        }
        if term != 0 {
            input.extend_from_slice(&term.to_le_bytes());
        }
        Ulid::from_parts(generation, xxh3_128(&input))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_tells_tenant_shard_generation_term_attempt_and_journal_apart() {
        let (a, b) = (TenantId::anonymous(), TenantId::new("b").unwrap());
        let of = |shard| FlushIdentity { journal: Ulid::nil(), shard };
        let first = (0, 0);
        let ids = [
            of(0).block_id(&a, 7, first),
            of(0).block_id(&b, 7, first),
            of(1).block_id(&a, 7, first),
            of(0).block_id(&a, 8, first),
            of(0).block_id(&a, 7, (0, 1)),
            of(0).block_id(&a, 7, (1, 0)),
            FlushIdentity { journal: Ulid::from_parts(1, 1), shard: 0 }.block_id(&a, 7, first),
        ];
        let distinct: std::collections::BTreeSet<_> = ids.into_iter().collect();
        assert_eq!(distinct.len(), 7);
        assert_eq!(of(0).block_id(&a, 7, first), ids[0]);
        assert_eq!(ids[0].timestamp_ms(), 7);
    }
}
