//! Label sets as queries got them, kept for the next ones: to put one together costs more than to read its samples.
//!
//! A set is kept from the first query on that reads its series. Memory is bounded; where there is no more room, some are
//! let go of, whichever, and put together again when they are asked for.

use std::hint::black_box;

use latewood_model::Labels;
use parking_lot::{RwLock, RwLockReadGuard};

/// Sets are kept, and let go of, in pages of this many.
const PAGE: usize = 512;

/// Bytes for which there is always room.
const MIN_BYTES: usize = 1 << 20;

/// The kept label sets of a tenant's series, by reference.
#[derive(Debug, Default)]
pub(super) struct KeptLabels(RwLock<Pages>);

#[derive(Debug, Default)]
pub(super) struct Pages {
    pages: Vec<Option<Box<[Option<Labels>; PAGE]>>>,
    bytes: usize,
    /// The page that is let go of next.
    hand: usize,
}

impl KeptLabels {
    /// The sets, to look at for a short while.
    pub(super) fn read(&self) -> RwLockReadGuard<'_, Pages> {
        self.0.read()
    }

    /// Keeps sets in about so many bytes.
    pub(super) fn keep(&self, sets: Vec<(u32, Labels)>, max_bytes: usize) {
        if sets.is_empty() {
            return;
        }
        let mut pages = self.0.write();
        sets.into_iter().for_each(|(reference, labels)| pages.insert(reference, labels));
        pages.shrink_to(max_bytes.max(MIN_BYTES));
    }

    /// Bytes of memory.
    pub(super) fn heap_size(&self) -> usize {
        let pages = self.0.read();
        pages.bytes + pages.pages.capacity() * size_of::<usize>()
    }
}

impl Pages {
    /// The labels of a series, if they are kept.
    #[inline]
    pub(super) fn get(&self, reference: u32) -> Option<&Labels> {
        let index = reference as usize;
        self.pages.get(index / PAGE)?.as_deref()?.get(index % PAGE)?.as_ref()
    }

    /// Has the sets of series at hand that are read next.
    pub(super) fn warm(&self, references: &[u32]) {
        let sets = references.iter().filter_map(|&reference| self.get(reference));
        black_box(sets.filter(|labels| labels.is_empty()).count());
    }

    fn insert(&mut self, reference: u32, labels: Labels) {
        let index = reference as usize;
        if self.pages.len() <= index / PAGE {
            self.pages.resize_with(index / PAGE + 1, || None);
        }
        let Some(page) = self.pages.get_mut(index / PAGE) else { return };
        if page.is_none() {
            self.bytes += size_of::<[Option<Labels>; PAGE]>();
        }
        let page = page.get_or_insert_with(|| Box::new([const { None }; PAGE]));
        if let Some(place) = page.get_mut(index % PAGE) {
            self.bytes += labels.heap_size();
            let before = place.replace(labels);
            self.bytes -= before.map_or(0, |before| before.heap_size());
        }
    }

    /// Lets go of pages in turns until what is left has room.
    fn shrink_to(&mut self, max_bytes: usize) {
        while self.bytes > max_bytes {
            let hand = self.hand % self.pages.len().max(1);
            self.hand = hand + 1;
            if let Some(page) = self.pages.get_mut(hand).and_then(Option::take) {
                let sets = page.iter().flatten().map(Labels::heap_size).sum::<usize>();
                self.bytes -= sets + size_of::<[Option<Labels>; PAGE]>();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(reference: u32) -> Labels {
        Labels::from_pairs([("n", format!("{reference:090}"))])
    }

    #[test]
    fn what_is_kept_is_found_and_counted() {
        let kept = KeptLabels::default();
        assert!(kept.read().get(7).is_none());
        kept.keep(vec![(7, labels(7)), (2_000, labels(2_000)), (7, labels(7))], 0);
        let found = [6, 7, 2_000, 2_001, 9_000].map(|reference| kept.read().get(reference).cloned());
        assert_eq!(found, [None, Some(labels(7)), Some(labels(2_000)), None, None]);
        let page = size_of::<[Option<Labels>; PAGE]>();
        assert_eq!(kept.read().bytes, 2 * page + 2 * labels(7).heap_size());
    }

    #[test]
    fn memory_is_bounded_and_the_newest_is_found() {
        let kept = KeptLabels::default();
        for reference in (0..100_000).chain(5..10) {
            kept.keep(vec![(reference, labels(reference))], 0);
            assert!(kept.heap_size() <= MIN_BYTES + 100_000);
        }
        let held = (0..100_000).filter(|&reference| kept.read().get(reference).is_some()).count();
        assert!((5_000..11_000).contains(&held), "{held}");
        kept.0.write().shrink_to(0);
        assert_eq!(kept.read().bytes, 0);
    }
}
