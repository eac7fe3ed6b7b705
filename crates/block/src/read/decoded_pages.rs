//! Decoded pages of samples, kept for the next selects: dashboards read the same pages again and again.
//!
//! Shared by all blocks of a process that are opened with it. Blocks never change, so nothing kept here is ever wrong. What
//! is asked for once, as by a query over everything, does not push out what is asked for often (TinyLFU, by Einziger,
//! Friedman and Manes, ACM Transactions on Storage 2017).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use foldhash::fast::RandomState;
use latewood_base::Ulid;
use moka::sync::Cache;

use super::decoded::SamplePageData;
use super::plan::SamplePage;

/// See the module. Clones share what they keep.
#[derive(Clone, Debug)]
pub struct DecodedPages(Option<Arc<Kept>>);

#[derive(Debug)]
struct Kept {
    pages: Cache<(Ulid, SamplePage), SamplePageData, RandomState>,
    requests: AtomicU64,
    hits: AtomicU64,
}

impl DecodedPages {
    /// Keeps up to so many bytes of pages; of 0, none.
    #[must_use]
    pub fn new(max_bytes: u64) -> Self {
        if max_bytes == 0 {
            return Self(None);
        }
        let pages = Cache::builder().max_capacity(max_bytes).weigher(weight);
        let pages = pages.build_with_hasher(RandomState::default());
        Self(Some(Arc::new(Kept { pages, requests: AtomicU64::new(0), hits: AtomicU64::new(0) })))
    }

    /// How many pages were looked for, and how many of them were found.
    #[must_use]
    pub fn counts(&self) -> (u64, u64) {
        self.0.as_ref().map_or((0, 0), |kept| (kept.requests.load(Relaxed), kept.hits.load(Relaxed)))
    }

    /// Bytes of the pages that are kept, about.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.0.as_ref().map_or(0, |kept| kept.pages.weighted_size())
    }

    pub(super) fn get(&self, block: Ulid, page: SamplePage) -> Option<SamplePageData> {
        let kept = self.0.as_ref()?;
        kept.requests.fetch_add(1, Relaxed);
        let found = kept.pages.get(&(block, page))?;
        kept.hits.fetch_add(1, Relaxed);
        Some(found)
    }

    pub(super) fn put(&self, block: Ulid, page: SamplePage, data: &SamplePageData) {
        if let Some(kept) = &self.0 {
            kept.pages.insert((block, page), data.clone());
        }
    }
}

fn weight(_: &(Ulid, SamplePage), data: &SamplePageData) -> u32 {
    // Beside the page: its entry, and what the cache knows of it.
    u32::try_from(data.heap_size() + 256).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::paged::Decoded;

    fn page(rows: usize) -> SamplePageData {
        SamplePageData::Integers(Arc::new(Decoded { values: vec![7; rows], present: None }))
    }

    #[test]
    fn pages_are_kept_within_bounds_and_counted() {
        let pages = DecodedPages::new(100_000);
        let blocks = [Ulid::from_parts(1, 1), Ulid::from_parts(1, 2)];
        pages.put(blocks[0], (0, 1, 2), &page(1_000));
        assert!(pages.get(blocks[0], (0, 1, 2)).is_some());
        assert!(pages.get(blocks[1], (0, 1, 2)).is_none() && pages.get(blocks[0], (0, 1, 3)).is_none());
        assert_eq!(pages.counts(), (3, 1));
        for number in 0..1_000 {
            pages.put(blocks[1], (0, 0, number), &page(1_000));
        }
        pages.0.as_ref().unwrap().pages.run_pending_tasks();
        assert!(pages.bytes() <= 100_000, "{}", pages.bytes());
    }

    #[test]
    fn none_are_kept_in_no_bytes() {
        let pages = DecodedPages::new(0);
        pages.put(Ulid::from_parts(1, 1), (0, 0, 0), &page(1));
        assert!(pages.get(Ulid::from_parts(1, 1), (0, 0, 0)).is_none());
        assert_eq!((pages.counts(), pages.bytes()), ((0, 0), 0));
    }
}
