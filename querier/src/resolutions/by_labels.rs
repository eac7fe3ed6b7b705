//! Windows in which series lack the labels that said which HA replica they are of.

use latewood_model::dedup::ReplicaLabels;
use latewood_model::{Matcher, TimeRange};

use super::held::{Times, insert};

/// The series that a selection asks for, as far as HA replicas are concerned.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AskedSeries<'a> {
    /// The labels that they are to be without; none where replicas are series of their own.
    pub(crate) without: &'a ReplicaLabels,
    /// What selects them.
    pub(crate) matchers: &'a [Matcher],
}

impl AskedSeries<'_> {
    /// Whether it matters to them that a label is lost.
    pub(super) fn need(&self, label: &str) -> bool {
        !self.without.contain(label) || self.matchers.iter().any(|matcher| matcher.name() == label)
    }

    /// Whether series that lack these labels are the ones.
    pub(super) fn are_without(&self, labels: &ReplicaLabels) -> bool {
        labels == self.without && !self.matchers.iter().any(|matcher| labels.contain(matcher.name()))
    }
}

/// Windows by the labels that series lack there. There are as many sets of labels as `replica_labels` had values, one
/// or two.
#[derive(Debug, Default)]
pub(super) struct ByLabels(Vec<(ReplicaLabels, Times)>);

impl ByLabels {
    pub(super) fn insert(&mut self, labels: ReplicaLabels, window: TimeRange) {
        let known = self.0.iter().position(|(known, _)| *known == labels).unwrap_or_else(|| {
            self.0.push((labels, Times::new()));
            self.0.len() - 1
        });
        self.0.get_mut(known).into_iter().for_each(|(_, times)| insert(times, window));
    }

    /// Where series lack these labels and no others.
    pub(super) fn without(&self, labels: &ReplicaLabels) -> Option<&Times> {
        self.0.iter().find(|(known, _)| known == labels).map(|(_, times)| times)
    }

    /// All labels with where series lack them.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&ReplicaLabels, &Times)> {
        self.0.iter().map(|(labels, times)| (labels, times))
    }

    /// Where the series are those that are asked for.
    pub(super) fn of(&self, asked: AskedSeries<'_>) -> Times {
        let fitting = self.0.iter().filter(|(labels, _)| asked.are_without(labels));
        fitting.flat_map(|(_, times)| times.iter().cloned()).collect()
    }
}
