//! Which batches of a select are fetched together: pure.
//!
//! Batches are small, so that little is decoded at once; requests to a bucket are large, because each costs a round trip.

use std::collections::BTreeSet;

use super::part::Part;
use super::plan::{Batch, SamplePage};

/// What is fetched at once.
#[derive(Debug, Default)]
pub(super) struct Round {
    pub(super) batches: Vec<Batch>,
    /// The pages of the batches, less those that the last batch before them has, which are still there then.
    pub(super) pages: BTreeSet<SamplePage>,
}

/// Puts batches into rounds of so many bytes; a round has at least one batch.
pub(super) fn rounds(batches: Vec<Batch>, parts: &[Part], fetch_bytes: u64) -> Vec<Round> {
    let size = |&(part, column, page): &SamplePage| {
        let page = parts.get(part).and_then(|part| part.file.page((column, page)));
        page.map_or(0, |page| page.size())
    };
    let mut rounds: Vec<Round> = Vec::new();
    let (mut bytes, mut held) = (0, BTreeSet::new());
    for batch in batches {
        let new = |known: &BTreeSet<SamplePage>, held: &BTreeSet<SamplePage>| -> BTreeSet<SamplePage> {
            batch.pages.iter().filter(|page| !known.contains(page) && !held.contains(page)).copied().collect()
        };
        if let Some(round) = rounds.last_mut() {
            let pages = new(&round.pages, &held);
            let more: u64 = pages.iter().map(size).sum();
            if bytes + more <= fetch_bytes {
                bytes += more;
                round.pages.extend(pages);
                round.batches.push(batch);
                continue;
            }
            held = round.batches.last().map(|batch| batch.pages.clone()).unwrap_or_default();
        }
        let pages = new(&BTreeSet::new(), &held);
        bytes = pages.iter().map(size).sum();
        rounds.push(Round { batches: vec![batch], pages });
    }
    rounds
}
