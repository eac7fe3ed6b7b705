//! Where the entries of one group are: a compact map from index to location.

use std::collections::VecDeque;
use std::ops::Range;

/// Where an entry's record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Location {
    /// The segment's sequence number.
    pub(crate) segment: u32,
    /// Where its record begins in the segment.
    pub(crate) offset: u32,
    /// Bytes of its payload.
    pub(crate) len: u32,
}

impl Location {
    /// Bytes of the whole record.
    pub(crate) fn record_len(self) -> u64 {
        crate::format::record_len(self.len as usize) as u64
    }
}

/// Index to location, as runs of consecutive indexes, ascending: 12 bytes an entry. A log has one run;
/// there are more only when entries were moved out of an old segment, or when a log has a hole.
#[derive(Debug, Default)]
pub(crate) struct Runs(Vec<Run>);

#[derive(Debug)]
struct Run {
    start: u64,
    items: VecDeque<Location>,
}

impl Run {
    /// The highest index; a run is never empty. Its end would be beyond all numbers after the last one.
    fn last(&self) -> u64 {
        self.start.saturating_add((self.items.len() as u64).saturating_sub(1))
    }

    fn slot(&self, index: u64) -> Option<usize> {
        usize::try_from(index.checked_sub(self.start)?).ok()
    }
}

impl Runs {
    /// The lowest index.
    pub(crate) fn first(&self) -> Option<u64> {
        self.0.first().map(|run| run.start)
    }

    /// The highest index.
    pub(crate) fn last(&self) -> Option<u64> {
        self.0.last().map(Run::last)
    }

    /// Sets a location, and gives back the one it replaces.
    pub(crate) fn put(&mut self, index: u64, location: Location) -> Option<Location> {
        // The run that `index` falls into or follows; appends land in the last one.
        let after = self.0.partition_point(|run| run.start <= index);
        if let Some(run) = after.checked_sub(1).and_then(|at| self.0.get_mut(at)) {
            if run.last().checked_add(1) == Some(index) {
                run.items.push_back(location);
                return None;
            }
            if let Some(old) = run.slot(index).and_then(|slot| run.items.get_mut(slot)) {
                return Some(std::mem::replace(old, location));
            }
        }
        match self.0.get_mut(after) {
            Some(run) if index.checked_add(1) == Some(run.start) => {
                run.start = index;
                run.items.push_front(location);
            }
            _ => self.0.insert(after, Run { start: index, items: VecDeque::from([location]) }),
        }
        None
    }

    /// Removes all from `from` on.
    pub(crate) fn truncate(&mut self, from: u64, mut removed: impl FnMut(Location)) {
        while let Some(run) = self.0.last_mut() {
            if run.last() < from {
                return;
            }
            let keep = run.slot(from).unwrap_or(0).min(run.items.len());
            run.items.drain(keep..).for_each(&mut removed);
            if keep > 0 {
                return;
            }
            self.0.pop();
        }
    }

    /// Removes all up to and with `upto`.
    pub(crate) fn purge(&mut self, upto: u64, mut removed: impl FnMut(Location)) {
        let gone = self.0.partition_point(|run| run.last() <= upto);
        for run in self.0.drain(..gone) {
            run.items.into_iter().for_each(&mut removed);
        }
        if let Some(run) = self.0.first_mut()
            && let Some(slot) = run.slot(upto)
        {
            run.items.drain(..=slot).for_each(&mut removed);
            run.start = upto + 1;
        }
    }

    /// The entries of a range that are there, ascending.
    pub(crate) fn range(&self, range: Range<u64>) -> impl Iterator<Item = (u64, Location)> + '_ {
        let from = self.0.partition_point(|run| run.last() < range.start);
        self.0[from..].iter().take_while(move |run| run.start < range.end).flat_map({
            let range = range.clone();
            move |run| {
                let skip = run.slot(range.start).unwrap_or(0);
                let until = run.slot(range.end).unwrap_or(0).min(run.items.len());
                let skip = skip.min(until);
                let items = (skip as u64..).zip(run.items.range(skip..until));
                items.map(move |(slot, location)| (run.start + slot, *location))
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn at(offset: u32) -> Location {
        Location { segment: 1, offset, len: 8 }
    }

    #[derive(Clone, Debug)]
    enum Op {
        Put(u64),
        Truncate(u64),
        Purge(u64),
    }

    #[test]
    fn the_last_of_all_indexes_is_one_like_others() {
        let mut runs = Runs::default();
        for (offset, index) in [u64::MAX - 2, u64::MAX - 1, u64::MAX].into_iter().enumerate() {
            assert_eq!(runs.put(index, at(offset as u32)), None);
        }
        assert_eq!((runs.first(), runs.last()), (Some(u64::MAX - 2), Some(u64::MAX)));
        let near: Vec<u64> = runs.range(0..u64::MAX).map(|(index, _)| index).collect();
        assert_eq!(near, [u64::MAX - 2, u64::MAX - 1]);
        runs.purge(u64::MAX - 1, drop);
        assert_eq!((runs.first(), runs.last()), (Some(u64::MAX), Some(u64::MAX)));
        runs.truncate(u64::MAX, drop);
        assert_eq!(runs.first(), None);
    }

    proptest! {
        #[test]
        fn runs_do_what_a_sorted_map_does(ops in prop::collection::vec(prop_oneof![
            4 => (0_u64..40).prop_map(Op::Put),
            1 => (0_u64..40).prop_map(Op::Truncate),
            1 => (0_u64..40).prop_map(Op::Purge),
        ], 0..60), from in 0_u64..45, len in 0_u64..45) {
            let (mut runs, mut map) = (Runs::default(), BTreeMap::new());
            for (tick, op) in (0..).zip(ops) {
                let mut removed = Vec::new();
                let before = map.clone();
                match op {
                    Op::Put(index) => prop_assert_eq!(runs.put(index, at(tick)), map.insert(index, at(tick))),
                    Op::Truncate(index) => {
                        runs.truncate(index, |gone| removed.push(gone.offset));
                        map.split_off(&index);
                    }
                    Op::Purge(index) => {
                        runs.purge(index, |gone| removed.push(gone.offset));
                        map = map.split_off(&(index + 1));
                    }
                }
                removed.sort_unstable();
                if !matches!(op, Op::Put(_)) {
                    let mut gone: Vec<u32> = before.iter().filter(|(index, _)| !map.contains_key(index))
                        .map(|(_, location)| location.offset).collect();
                    gone.sort_unstable();
                    prop_assert_eq!(removed, gone);
                }
                prop_assert_eq!(runs.first(), map.keys().next().copied());
                prop_assert_eq!(runs.last(), map.keys().next_back().copied());
            }
            let got: Vec<_> = runs.range(from..from + len).collect();
            let want: Vec<_> = map.range(from..from + len).map(|(index, location)| (*index, *location)).collect();
            prop_assert_eq!(got, want);
        }
    }
}
