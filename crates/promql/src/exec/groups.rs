//! The groups of an aggregation, in the order in which their first series came.

use std::cmp::Ordering;
use std::collections::HashMap;

use latewood_model::{Labels, METRIC_NAME};

use super::row::Row;
use super::tile::is_present;
use crate::plan::AggregateNode;

/// Finds the group of a series.
pub(super) struct Groups {
    names: Vec<String>,
    without: bool,
    index: HashMap<Labels, usize>,
    labels: Vec<Labels>,
    /// For each group the last step with an element, and whether a row there loses its name: see [`super::names`].
    marks: Vec<(usize, bool)>,
}

impl Groups {
    pub(super) fn new(aggregate: &AggregateNode) -> Self {
        let mut names = aggregate.grouping.clone();
        if aggregate.without {
            names.push(METRIC_NAME.to_owned());
        }
        Self {
            names,
            without: aggregate.without,
            index: HashMap::new(),
            labels: Vec::new(),
            marks: Vec::new(),
        }
    }

    /// The labels that a series' group has.
    pub(super) fn key(&self, labels: &Labels) -> Labels {
        let names: Vec<&str> = self.names.iter().map(String::as_str).collect();
        match (self.without, names.is_empty()) {
            (true, _) => labels.without(&names),
            (false, true) => Labels::empty(),
            (false, false) => labels.keep(&names),
        }
    }

    /// The number of a series' group, and whether it is new.
    pub(super) fn find(&mut self, labels: &Labels) -> (usize, bool) {
        let key = self.key(labels);
        if let Some(&group) = self.index.get(&key) {
            return (group, false);
        }
        let group = self.labels.len();
        self.labels.push(key.clone());
        self.marks.push((0, false));
        self.index.insert(key, group);
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

    /// Whether a group's row loses its metric's name at the end.
    pub(super) fn marks(&self) -> impl Iterator<Item = bool> + use<> {
        self.marks.clone().into_iter().map(|mark| mark.1)
    }

    /// The labels of each group.
    pub(super) fn into_labels(self) -> Vec<Labels> {
        self.labels
    }
}
