//! The groups of an aggregation, in the order in which their first series came.

use std::collections::HashMap;

use latewood_model::{Labels, METRIC_NAME};

use crate::plan::AggregateNode;

/// Finds the group of a series.
pub(super) struct Groups {
    names: Vec<String>,
    without: bool,
    index: HashMap<Labels, usize>,
    labels: Vec<Labels>,
}

impl Groups {
    pub(super) fn new(aggregate: &AggregateNode) -> Self {
        let mut names = aggregate.grouping.clone();
        if aggregate.without {
            names.push(METRIC_NAME.to_owned());
        }
        Self { names, without: aggregate.without, index: HashMap::new(), labels: Vec::new() }
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
        self.index.insert(key, group);
        (group, true)
    }

    /// The labels of each group.
    pub(super) fn into_labels(self) -> Vec<Labels> {
        self.labels
    }
}
