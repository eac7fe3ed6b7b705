//! Building and changing label sets.

use std::collections::BTreeMap;

use crate::Labels;

/// Collects label pairs in any order and makes [`Labels`] of them.
#[derive(Clone, Debug, Default)]
pub struct LabelsBuilder(BTreeMap<String, String>);

impl LabelsBuilder {
    /// No labels yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a label; an empty value removes it.
    pub fn set(&mut self, name: &str, value: &str) -> &mut Self {
        if value.is_empty() {
            self.0.remove(name);
        } else {
            self.0.insert(name.to_owned(), value.to_owned());
        }
        self
    }

    /// Removes a label.
    pub fn remove(&mut self, name: &str) -> &mut Self {
        self.0.remove(name);
        self
    }

    /// The value set so far.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// The label set.
    #[must_use]
    pub fn build(&self) -> Labels {
        Labels::from_sorted(self.0.iter().map(|(name, value)| (name.as_str(), value.as_str())))
    }
}

impl From<&Labels> for LabelsBuilder {
    fn from(labels: &Labels) -> Self {
        Self(labels.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }
}
