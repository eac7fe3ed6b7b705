//! The labels by which replicas differ.

use std::cmp::Ordering;

use crate::Labels;

/// Names of replica labels.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReplicaLabels(Vec<String>);

impl ReplicaLabels {
    /// No names: replicas are series of their own.
    pub const NONE: Self = Self(Vec::new());

    /// Of these names, in any order; empty ones are none.
    pub fn new<S: AsRef<str>>(names: impl IntoIterator<Item = S>) -> Self {
        let names = names.into_iter().map(|name| name.as_ref().to_owned());
        let mut names: Vec<String> = names.filter(|name| !name.is_empty()).collect();
        names.sort_unstable();
        names.dedup();
        Self(names)
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a name is one of them.
    #[must_use]
    pub fn contain(&self, name: &str) -> bool {
        self.0.iter().any(|own| own == name)
    }

    /// The names, sorted, each once.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.0
    }

    /// Whether a series has any of them. Cheap: asked of every series that a query reads.
    #[must_use]
    pub fn are_on(&self, labels: &Labels) -> bool {
        labels.has_any(&self.0)
    }

    /// The series without them.
    #[must_use]
    pub fn strip(&self, labels: &Labels) -> Labels {
        if self.are_on(labels) { self.pick(labels, false) } else { labels.clone() }
    }

    /// They alone.
    #[must_use]
    pub fn of(&self, labels: &Labels) -> Labels {
        if self.are_on(labels) { self.pick(labels, true) } else { Labels::empty() }
    }

    /// Which of two replicas comes first.
    #[must_use]
    pub fn rank(&self, a: &Labels, b: &Labels) -> Ordering {
        self.of(a).cmp(&self.of(b))
    }

    fn pick(&self, labels: &Labels, theirs: bool) -> Labels {
        let is_theirs = |name: &str| self.0.iter().any(|replica| replica == name);
        Labels::from_sorted(labels.iter().filter(|pair| is_theirs(pair.0) == theirs))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_are_equal_without_them_and_ranked_by_them() {
        let replicas = ReplicaLabels::new(["replica", "", "__replica__", "replica"]);
        assert_eq!(replicas.names(), ["__replica__", "replica"]);
        let one = Labels::from_pairs([("__name__", "up"), ("replica", "1"), ("zone", "a")]);
        let two = Labels::from_pairs([("__name__", "up"), ("replica", "2"), ("zone", "a")]);
        let none = Labels::from_pairs([("__name__", "up"), ("replic", "2"), ("zone", "a")]);
        assert_eq!(replicas.strip(&one), replicas.strip(&two));
        assert_eq!(replicas.of(&two), Labels::from_pairs([("replica", "2")]));
        assert_eq!((replicas.are_on(&none), replicas.strip(&none)), (false, none.clone()));
        assert!(replicas.rank(&one, &two).is_lt() && replicas.rank(&none, &one).is_lt());
    }
}
