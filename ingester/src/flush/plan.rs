//! What a tenant's catalog still lacks of a generation: pure.
//!
//! The rule of `flushed[shard]`: its value is the last generation of the shard of which the tenant had data
//! and whose block is committed. A generation in which a tenant has nothing needs no commit, so the values of
//! tenants differ, and the step's condition is the value that the catalog has now.
//!
//! A value of `generation` or more is no proof that this generation is committed: it may have come from a copy
//! of the data directory, or from another journal that used the number before numbers were claimed. The block
//! itself is the proof. Where it is not there it is added without a step, because a sample that is there twice
//! is merged by the tie rule, and one that is nowhere is lost.

use latewood_base::Ulid;
use latewood_block::BlockMeta;
use latewood_catalog::{BlockEntry, FlushStep, View};
use latewood_model::TimeRange;

/// Ids tried before the error is shown; only garbage collection of an upload that took days, or a copied data
/// directory, uses one up.
const MAX_ATTEMPTS: u32 = 16;

/// What has to be committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Missing {
    /// Nothing: the generation is in the catalog.
    Nothing,
    /// The block is live, or there is none; the shard's number lags.
    Step(FlushStep),
    /// The block under the id of this attempt, and the step if the number lags.
    Block(u32, Option<FlushStep>),
    /// A block, and all its ids are taken.
    NoId,
}

/// What tells a tenant's part of a generation from another. Files do not: type, unit and help may differ when
/// a generation is encoded again after a restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Content {
    pub(super) series: u64,
    /// Of all kinds.
    pub(super) samples: u64,
    pub(super) range: TimeRange,
}

impl Content {
    pub(super) fn of(meta: &BlockMeta) -> Self {
        Self { series: meta.series, samples: meta.samples + meta.histograms, range: meta.range }
    }

    fn is_of(self, entry: &BlockEntry) -> bool {
        self == Self { series: entry.series, samples: entry.samples, range: entry.range }
    }
}

/// Compares a view with a tenant's part of a generation. `id` gives the block's id in an attempt of the leader of a term;
/// `terms` are those whose leaders may have uploaded it, the last one is that of whoever asks.
pub(super) fn missing(
    view: &View,
    (shard, generation): (u32, u64),
    local: Content,
    terms: &[u64],
    id: impl Fn((u64, u32)) -> Ulid,
) -> Missing {
    let from = view.flushed_generation(shard);
    let step = (from < generation).then_some(FlushStep { shard, from, to: generation });
    let known = |id: Ulid| {
        let live = view.blocks.get(&id).is_some_and(|entry| local.is_of(entry));
        // It was committed and has been compacted since; or it is garbage that was never committed, but then
        // the number lags.
        live || step.is_none() && view.dead.contains_key(&id)
    };
    let attempts = |term: u64| (0..MAX_ATTEMPTS).map(move |attempt| (term, attempt));
    if local.samples == 0 || terms.iter().copied().flat_map(attempts).map(&id).any(known) {
        return step.map_or(Missing::Nothing, Missing::Step);
    }
    let free = |id: &Ulid| !view.blocks.contains_key(id) && !view.dead.contains_key(id);
    let own = terms.last().copied().unwrap_or(0);
    let attempt = (0..MAX_ATTEMPTS).find(|attempt| free(&id((own, *attempt))));
    attempt.map_or(Missing::NoId, |attempt| Missing::Block(attempt, step))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use latewood_model::{Resolution, TenantId};

    use super::*;

    fn id(attempt: u32) -> Ulid {
        of_term((0, attempt))
    }

    fn of_term((term, attempt): (u64, u32)) -> Ulid {
        Ulid::from_parts(9, u128::from(term) << 32 | u128::from(attempt))
    }

    fn local(samples: u64) -> Content {
        Content { series: 2, samples, range: TimeRange::new(1, 5) }
    }

    fn view(from: u64, live: &[(u32, u64)], dead: &[u32]) -> View {
        let mut view = View::empty(TenantId::anonymous());
        view.flushed.insert(3, from);
        for &(attempt, samples) in live {
            let mut entry = BlockEntry::new(id(attempt), Resolution::Raw, TimeRange::new(1, 5));
            (entry.series, entry.samples) = (2, samples);
            view.blocks.insert(id(attempt), Arc::new(entry));
        }
        let since = latewood_catalog::DeadBlock { since_ms: 0 };
        view.dead.extend(dead.iter().map(|&attempt| (id(attempt), since)));
        view
    }

    #[test]
    fn only_the_block_itself_proves_that_a_generation_is_committed() {
        let of = |view: View| missing(&view, (3, 9), local(7), &[0], of_term);
        let step = |from| FlushStep { shard: 3, from, to: 9 };
        assert_eq!(of(view(0, &[], &[])), Missing::Block(0, Some(step(0))));
        assert_eq!(of(view(9, &[(0, 7)], &[])), Missing::Nothing);
        assert_eq!(of(view(9, &[], &[0])), Missing::Nothing, "committed, and compacted since");
        assert_eq!(of(view(9, &[(1, 7)], &[])), Missing::Nothing, "under a later id");
        assert_eq!(of(view(5, &[(0, 7)], &[])), Missing::Step(step(5)), "a rebuilt catalog");
        // Somebody else's number, or somebody else's block under our id.
        assert_eq!(of(view(9, &[], &[])), Missing::Block(0, None));
        assert_eq!(of(view(12, &[(0, 8)], &[])), Missing::Block(1, None));
        assert_eq!(of(view(5, &[], &[0, 1])), Missing::Block(2, Some(step(5))), "garbage may not come back");
        let all: Vec<(u32, u64)> = (0..MAX_ATTEMPTS).map(|attempt| (attempt, 8)).collect();
        assert_eq!(of(view(5, &all, &[])), Missing::NoId);
    }

    #[test]
    fn a_leader_looks_for_the_blocks_of_those_before_it_and_makes_its_own() {
        let by = |view: View, terms: &[u64]| missing(&view, (3, 9), local(7), terms, of_term);
        let step = FlushStep { shard: 3, from: 0, to: 9 };
        let mut by_term_4 = view(9, &[], &[]);
        let mut entry = BlockEntry::new(of_term((4, 1)), Resolution::Raw, TimeRange::new(1, 5));
        (entry.series, entry.samples) = (2, 7);
        by_term_4.blocks.insert(entry.id, Arc::new(entry));
        assert_eq!(by(by_term_4.clone(), &[0, 4, 6]), Missing::Nothing);
        assert_eq!(by(by_term_4, &[0, 6]), Missing::Block(0, None), "nobody said that he uploads in term 4");
        // What is in the way under the ids of another term is not in the way.
        assert_eq!(by(view(0, &[], &[0, 1]), &[0, 6]), Missing::Block(0, Some(step)));
    }

    #[test]
    fn no_samples_need_no_block() {
        let of = |from| missing(&view(from, &[], &[]), (3, 9), local(0), &[0], of_term);
        assert_eq!((of(9), of(2)), (Missing::Nothing, Missing::Step(FlushStep { shard: 3, from: 2, to: 9 })));
    }
}
