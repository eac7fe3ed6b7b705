//! Label sets as queries got them, kept for the next ones: to put one together costs more than to read its samples.
//!
//! A set is kept from the first query on that reads its series, as long as there is room, until its generation goes. None is
//! let go of for another: scans over more than has room would make and drop sets for ever.

use std::hint::black_box;

use latewood_model::Labels;
use parking_lot::{RwLock, RwLockReadGuard};

/// Sets are kept in pages of this many.
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
}

impl KeptLabels {
    /// The sets, to look at for a short while.
    pub(super) fn read(&self) -> RwLockReadGuard<'_, Pages> {
        self.0.read()
    }

    /// Keeps sets while all take less than so many bytes.
    pub(super) fn keep(&self, sets: Vec<(u32, Labels)>, max_bytes: usize) {
        let max_bytes = max_bytes.max(MIN_BYTES);
        if sets.is_empty() || self.0.read().bytes >= max_bytes {
            return;
        }
        let mut pages = self.0.write();
        for (reference, labels) in sets {
            if pages.bytes < max_bytes {
                pages.insert(reference, labels);
            }
        }
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
        let sets = || references.iter().filter_map(|&reference| self.get(reference));
        black_box(sets().filter(|labels| labels.is_empty()).count());
        // The first is where a copy is counted, too; what follows the processor fetches by itself.
        black_box(sets().filter(|labels| labels.byte_pairs().next().is_some()).count());
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
    fn memory_is_bounded_and_the_first_are_found() {
        let kept = KeptLabels::default();
        for reference in 0..100_000 {
            kept.keep(vec![(reference, labels(reference))], 0);
            assert!(kept.heap_size() <= MIN_BYTES + 20_000);
        }
        let held = (0..100_000).filter(|&reference| kept.read().get(reference).is_some()).count();
        assert!((5_000..11_000).contains(&held), "{held}");
        assert!((0..held as u32).all(|reference| kept.read().get(reference).is_some()));
    }
}
