//! The groups of an aggregation, in the order in which their first series came.

use std::cmp::Ordering;
use std::hash::{BuildHasher, Hash, Hasher};
use std::iter::Zip;
use std::vec::IntoIter;

use foldhash::fast::RandomState;
use hashbrown::HashTable;
use latewood_model::{Labels, METRIC_NAME};

use super::matching::RESERVED;
use super::row::Row;
use super::tile::is_present;
use crate::plan::AggregateNode;

/// The labels of groups, each with the last step that has an element, and whether its row loses its name at the end.
pub(super) type GroupRows = Zip<IntoIter<Labels>, IntoIter<(usize, bool)>>;

/// Finds the group of a series.
pub(super) struct Groups {
    names: Vec<String>,
    without: bool,
    index: HashTable<usize>,
    hashing: RandomState,
    labels: Vec<Labels>,
    /// For each group the last step with an element, and whether a row there loses its name: see [`super::names`].
    marks: Vec<(usize, bool)>,
}

impl Groups {
    /// The groups of an aggregation. Labels that say what a metric is may be as if they were not there: then nobody need
    /// drop them from each series before.
    pub(super) fn new(aggregate: &AggregateNode, ignores_reserved: bool) -> Self {
        let mut names = aggregate.grouping.clone();
        match (aggregate.without, ignores_reserved) {
            (true, true) => names.extend(RESERVED.map(str::to_owned)),
            (true, false) => names.push(METRIC_NAME.to_owned()),
            (false, true) => names.retain(|name| !RESERVED.contains(&name.as_str())),
            (false, false) => {}
        }
        let (index, hashing) = (HashTable::new(), RandomState::default());
        let (without, labels, marks) = (aggregate.without, Vec::new(), Vec::new());
        Self { names, without, index, hashing, labels, marks }
    }

    /// Whether a series' group has its label of this name.
    fn has(&self, name: &[u8]) -> bool {
        self.names.iter().any(|named| named.as_bytes() == name) != self.without
    }

    /// The pairs of a series that its group has.
    fn pairs<'a>(&self, labels: &'a Labels) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        labels.byte_pairs().filter(|(name, _)| self.has(name))
    }

    /// The labels that a series' group has.
    pub(super) fn key(&self, labels: &Labels) -> Labels {
        Labels::from_sorted(labels.iter().filter(|(name, _)| self.has(name.as_bytes())))
    }

    /// The number of a series' group, and whether it is new.
    pub(super) fn find(&mut self, labels: &Labels) -> (usize, bool) {
        if self.names.is_empty() && !self.without && !self.labels.is_empty() {
            return (0, false);
        }
        let hash = hash_of(&self.hashing, self.pairs(labels));
        let is_this = |&group: &usize| self.labels[group].byte_pairs().eq(self.pairs(labels));
        if let Some(&group) = self.index.find(hash, is_this) {
            return (group, false);
        }
        let group = self.labels.len();
        self.labels.push(self.key(labels));
        self.marks.push((0, false));
        let (hashing, known) = (&self.hashing, &self.labels);
        self.index.insert_unique(hash, group, |&other| hash_of(hashing, known[other].byte_pairs()));
        (group, true)
    }

    /// Takes notice of a row's mark. As upstream, a group is marked if a row is that has an element at the group's last
    /// step.
    pub(super) fn note_mark(&mut self, group: usize, row: Row<'_>) {
        let Some(mark) = self.marks.get_mut(group) else { return };
        let last = row.values.iter().rposition(|value| is_present(*value)).unwrap_or_default();
        *mark = match last.cmp(&mark.0) {
            Ordering::Less => *mark,
            Ordering::Equal => (last, mark.1 || row.drops_name),
            Ordering::Greater => (last, row.drops_name),
        };
    }

    /// Takes the labels and the mark of each group; there are no groups then.
    pub(super) fn take_rows(&mut self) -> GroupRows {
        self.index.clear();
        std::mem::take(&mut self.labels).into_iter().zip(std::mem::take(&mut self.marks))
    }
}

fn hash_of<'a>(hashing: &RandomState, pairs: impl Iterator<Item = (&'a [u8], &'a [u8])>) -> u64 {
    let mut hasher = hashing.build_hasher();
    pairs.for_each(|pair| pair.hash(&mut hasher));
    hasher.finish()
}
