//! The states of an aggregation's groups, group × step, in pages: as groups are added none is moved, and they are let go
//! of page by page.

use std::collections::VecDeque;

use super::fold::Cell;

/// States in a page, about: a page is half a megabyte, and its results a tile of half as much.
const PAGE: usize = 32_768;

/// See the module.
pub(super) struct Cells<C> {
    steps: usize,
    groups_per_page: usize,
    /// The last one may have room left. Before them `taken` groups were let go of.
    pages: VecDeque<Vec<C>>,
    taken: usize,
}

impl<C: Cell> Cells<C> {
    /// No groups yet, of so many steps each.
    pub(super) fn new(steps: usize) -> Self {
        let steps = steps.max(1);
        Self { steps, groups_per_page: (PAGE / steps).max(1), pages: VecDeque::new(), taken: 0 }
    }

    /// Bytes of a group.
    pub(super) fn bytes_of_one(&self) -> u64 {
        (self.steps as u64).saturating_mul(size_of::<C>() as u64)
    }

    /// Adds a group, the next one by its number.
    pub(super) fn add(&mut self) {
        let full = self.groups_per_page * self.steps;
        if self.pages.back().is_none_or(|page| page.len() >= full) {
            // The first page grows by need: most queries have few groups.
            let room = if self.pages.is_empty() { self.steps } else { full };
            self.pages.push_back(Vec::with_capacity(room));
        }
        if let Some(page) = self.pages.back_mut() {
            page.resize(page.len() + self.steps, C::EMPTY);
        }
    }

    /// The states of a group; none if it was not added, or let go of.
    #[inline]
    pub(super) fn of(&mut self, group: usize) -> &mut [C] {
        let Some(group) = group.checked_sub(self.taken) else { return &mut [] };
        let start = group % self.groups_per_page * self.steps;
        let page = self.pages.get_mut(group / self.groups_per_page);
        page.and_then(|page| page.get_mut(start..start + self.steps)).unwrap_or_default()
    }

    /// Lets go of the first page; with it the number of its first group.
    pub(super) fn take_page(&mut self) -> Option<(usize, Vec<C>)> {
        let page = self.pages.pop_front()?;
        let first = self.taken;
        self.taken += page.len() / self.steps;
        Some((first, page))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exec::fold::Max;

    #[test]
    fn each_group_has_its_own_states_until_they_are_taken() {
        for steps in [1, 7, PAGE / 2, PAGE + 1] {
            let (mut cells, groups) =
                (Cells::<Max>::new(steps), if steps < 10 { 3 * PAGE / steps } else { 5 });
            for group in 0..groups {
                cells.add();
                assert!(cells.of(group).iter().all(Max::is_empty));
                cells.of(group)[steps - 1] = Max::first(group as f64);
            }
            assert!(cells.of(groups).is_empty());
            assert_eq!(cells.of(2)[steps - 1].result(0.0), 2.0);
            let mut next = 0;
            while let Some((first, mut page)) = cells.take_page() {
                assert_eq!(first, next);
                for group in page.chunks_mut(steps) {
                    assert_eq!(group[steps - 1].result(0.0), next as f64);
                    assert!(steps == 1 || group[0].is_empty());
                    next += 1;
                }
                assert!(cells.of(first).is_empty());
            }
            assert_eq!(next, groups);
        }
    }
}
