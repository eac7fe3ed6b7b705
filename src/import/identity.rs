//! Which block a TSDB block becomes, and whether it is there already: pure.

use latewood_base::Ulid;
use latewood_catalog::View;
use latewood_model::TenantId;
use xxhash_rust::xxh3::xxh3_128;

/// How often a block may be imported, removed and imported again.
const MAX_ATTEMPTS: u32 = 64;

/// What is to be done about a TSDB block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It becomes the block of this id.
    Import(Ulid),
    /// It is in the bucket.
    IsThere(Ulid),
    /// It was there: compacted into another block since, or deleted.
    WasThere(Ulid),
}

/// Looks the block up among those that the catalog knows. Its id is a function of the tenant and of the TSDB block, so
/// that an import which was cut short goes on where it stopped.
pub fn decide(view: &View, tenant: &TenantId, source: Ulid, again: bool) -> Decision {
    let mut last = block_id(tenant, source, 0);
    for attempt in 0..MAX_ATTEMPTS {
        let id = block_id(tenant, source, attempt);
        if view.blocks.contains_key(&id) {
            return Decision::IsThere(id);
        }
        if !view.dead.contains_key(&id) {
            return if attempt == 0 || again { Decision::Import(id) } else { Decision::WasThere(last) };
        }
        last = id;
    }
    Decision::WasThere(last)
}

/// Whether all blocks that a block was made of are there or were: its samples are then, too.
pub fn is_covered(view: &View, tenant: &TenantId, made_of: &[Ulid], again: bool) -> bool {
    let is_known = |id: &Ulid| !matches!(decide(view, tenant, *id, again), Decision::Import(_));
    !made_of.is_empty() && made_of.iter().all(is_known)
}

/// The time of the id is that of the TSDB block's: when that was begun.
fn block_id(tenant: &TenantId, source: Ulid, attempt: u32) -> Ulid {
    let mut input = b"import".to_vec();
    input.push(0xff);
    input.extend_from_slice(tenant.as_str().as_bytes());
    input.push(0xff);
    input.extend_from_slice(&source.0.to_le_bytes());
    input.extend_from_slice(&attempt.to_le_bytes());
    Ulid::from_parts(source.timestamp_ms(), xxh3_128(&input))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use latewood_catalog::{BlockEntry, DeadBlock};
    use latewood_model::{Resolution, TimeRange};

    use super::*;

    #[test]
    fn ids_are_functions_of_tenant_and_block() {
        let (a, b) = (TenantId::anonymous(), TenantId::new("b").unwrap());
        let (one, two) = (Ulid::from_parts(7, 1), Ulid::from_parts(7, 2));
        let ids = [block_id(&a, one, 0), block_id(&b, one, 0), block_id(&a, two, 0), block_id(&a, one, 1)];
        let distinct: std::collections::BTreeSet<_> = ids.into_iter().collect();
        assert_eq!((distinct.len(), ids[0].timestamp_ms()), (4, 7));
        assert_eq!(ids[0], block_id(&a, one, 0));
    }

    #[test]
    fn what_is_there_is_passed_over_and_what_was_comes_back_when_asked_for() {
        let tenant = TenantId::anonymous();
        let source = Ulid::from_parts(7, 1);
        let id = |attempt| block_id(&tenant, source, attempt);
        let mut view = View::empty(tenant.clone());
        let decided = |view: &View, again| decide(view, &tenant, source, again);
        assert_eq!(decided(&view, false), Decision::Import(id(0)));
        view.dead.insert(id(0), DeadBlock { since_ms: 0 });
        assert_eq!(decided(&view, false), Decision::WasThere(id(0)));
        assert_eq!(decided(&view, true), Decision::Import(id(1)));
        let entry = BlockEntry::new(id(1), Resolution::Raw, TimeRange::new(1, 2));
        view.blocks.insert(id(1), Arc::new(entry));
        assert_eq!(decided(&view, true), Decision::IsThere(id(1)));
        assert_eq!(decided(&view, false), Decision::IsThere(id(1)));
    }

    #[test]
    fn what_was_compacted_from_imported_blocks_is_covered_by_them() {
        let tenant = TenantId::anonymous();
        let [one, two] = [1, 2].map(|number| Ulid::from_parts(7, number));
        let mut view = View::empty(tenant.clone());
        view.dead.insert(block_id(&tenant, one, 0), DeadBlock { since_ms: 0 });
        let covered = |made_of: &[Ulid], again| is_covered(&view, &tenant, made_of, again);
        assert!(covered(&[one], false) && !covered(&[one], true));
        assert!(!covered(&[one, two], false) && !covered(&[], false));
    }
}
