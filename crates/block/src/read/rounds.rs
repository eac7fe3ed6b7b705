//! Which batches of a select are fetched together: pure.
//!
//! Batches are small, so that little is decoded at once; requests to a bucket are large, because each costs a round trip.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::block::Block;
use super::plan::{Batch, SamplePage};

/// The most series of a round, however few pages they need: it is planned in one piece.
const MAX_SERIES: usize = 1 << 18;

/// What is fetched at once.
#[derive(Debug, Default)]
pub(super) struct Round {
    pub(super) batches: Vec<Batch>,
    /// The pages of the batches, less those that the last batch before them has, which are still there then.
    pub(super) pages: BTreeSet<SamplePage>,
}

/// Puts batches into rounds of so many bytes, as they are wanted; a round has at least one batch.
pub(super) struct Rounds<I> {
    batches: I,
    block: Arc<Block>,
    fetch_bytes: u64,
    /// A batch that did not fit the last round.
    left: Option<Batch>,
    /// The pages of the last batch of the last round, which are still there when the next begins.
    held: BTreeSet<SamplePage>,
}

impl<I: Iterator<Item = Batch>> Rounds<I> {
    pub(super) fn new(batches: I, block: Arc<Block>, fetch_bytes: u64) -> Self {
        Self { batches, block, fetch_bytes, left: None, held: BTreeSet::new() }
    }

    /// Whether there may be another round.
    pub(super) fn has_more(&self) -> bool {
        self.left.is_some()
    }

    /// The pages of a batch that a round has to fetch, and their bytes.
    fn missing(&self, batch: &Batch, known: &BTreeSet<SamplePage>) -> (Vec<SamplePage>, u64) {
        let is_missing = |page: &&SamplePage| !known.contains(page) && !self.held.contains(page);
        let pages: Vec<SamplePage> = batch.pages.iter().filter(is_missing).copied().collect();
        let size = |&(part, column, page): &SamplePage| {
            let page = self.block.parts.get(part).and_then(|part| part.file.page((column, page)));
            page.map_or(0, |page| page.size())
        };
        let bytes = pages.iter().map(size).sum();
        (pages, bytes)
    }
}

impl<I: Iterator<Item = Batch>> Iterator for Rounds<I> {
    type Item = Round;

    fn next(&mut self) -> Option<Round> {
        let mut round = Round::default();
        let (mut bytes, mut series) = (0u64, 0);
        while let Some(batch) = self.left.take().or_else(|| self.batches.next()) {
            let (pages, more) = self.missing(&batch, &round.pages);
            let is_full = bytes.saturating_add(more) > self.fetch_bytes || series >= MAX_SERIES;
            if is_full && !round.batches.is_empty() {
                self.left = Some(batch);
                break;
            }
            bytes = bytes.saturating_add(more);
            series += batch.series.len();
            round.pages.extend(pages);
            round.batches.push(batch);
        }
        self.held = round.batches.last()?.pages.clone();
        Some(round)
    }
}
