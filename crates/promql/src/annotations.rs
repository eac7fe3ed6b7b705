//! Warnings and infos that go with a result: each text once, bounded in number.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use crate::Notice;
use crate::ast::Span;
use crate::functions::spacing::{Place, Spacing, SpacingMemo};

/// Distinct texts kept of each sort; further ones are counted only.
const MAX_TEXTS: usize = 256;

/// Warnings and infos, each text once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Annotations {
    warnings: Texts,
    infos: Texts,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Texts {
    /// Where each was first said of.
    kept: BTreeMap<String, Span>,
    omitted: u64,
}

impl Annotations {
    /// Adds a warning; the engine's own begin with `PromQL warning: `.
    pub fn warn(&mut self, text: impl Into<String>) {
        self.warn_at(text, Span::default());
    }

    /// Adds an info; the engine's own begin with `PromQL info: `.
    pub fn info(&mut self, text: impl Into<String>) {
        self.info_at(text, Span::default());
    }

    /// Adds a warning about a part of the query.
    pub fn warn_at(&mut self, text: impl Into<String>, place: Span) {
        self.warnings.add(text.into(), place);
    }

    /// Adds an info about a part of the query.
    pub fn info_at(&mut self, text: impl Into<String>, place: Span) {
        self.infos.add(text.into(), place);
    }

    /// Adds a notice about a part of the query.
    pub fn add_at(&mut self, notice: &Notice, place: Span) {
        let texts = if notice.is_warning() { &mut self.warnings } else { &mut self.infos };
        texts.add(notice.to_string(), place);
    }

    /// Adds all of another set.
    pub fn merge(&mut self, other: Self) {
        self.warnings.merge(other.warnings);
        self.infos.merge(other.infos);
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.warnings.kept.is_empty() && self.infos.kept.is_empty()
    }

    /// The warnings and the infos, each in order, with the places that are known: `… (1:6)`.
    #[must_use]
    pub fn into_texts(self) -> (Vec<String>, Vec<String>) {
        (self.warnings.into_texts("warning"), self.infos.into_texts("info"))
    }
}

impl Texts {
    fn add(&mut self, text: String, place: Span) {
        let has_room = self.kept.len() < MAX_TEXTS;
        match self.kept.entry(text) {
            Entry::Vacant(vacant) if has_room => {
                vacant.insert(place);
            }
            Entry::Vacant(_) => self.omitted += 1,
            Entry::Occupied(_) => {}
        }
    }

    fn merge(&mut self, other: Self) {
        self.omitted += other.omitted;
        other.kept.into_iter().for_each(|(text, place)| self.add(text, place));
    }

    fn into_texts(self, sort: &str) -> Vec<String> {
        let placed = |(text, place): (String, Span)| match place.line {
            0 => text,
            _ => format!("{text} ({place})"),
        };
        let mut texts: Vec<String> = self.kept.into_iter().map(placed).collect();
        if self.omitted > 0 {
            texts.push(format!("{} more {sort} annotations omitted", self.omitted));
        }
        texts
    }
}

/// What a function's kernel knows of its call, and where it leaves annotations. One to an operator.
#[derive(Clone, Debug, Default)]
pub struct CallContext {
    place: Span,
    metric_name: String,
    annotations: Annotations,
    failure: Option<String>,
    spacing: SpacingMemo,
}

impl CallContext {
    /// Of a call whose annotations are about this place.
    #[must_use]
    pub fn at(place: Span) -> Self {
        Self { place, ..Self::default() }
    }

    /// The name of the series' metric before the function drops it; empty where it has none.
    #[must_use]
    pub fn metric_name(&self) -> &str {
        &self.metric_name
    }

    /// Says which metric the next calls are about.
    pub fn set_metric_name(&mut self, name: Option<&str>) {
        self.metric_name.clear();
        self.metric_name.push_str(name.unwrap_or_default());
    }

    /// What follows from where samples lie in a window, kept from the window before if they lay alike.
    #[inline]
    pub(crate) fn spacing_at(&mut self, place: Place) -> Spacing {
        self.spacing.at(place)
    }

    /// Adds a warning, once; the text begins with `PromQL warning: `.
    pub fn warn(&mut self, text: impl Into<String>) {
        self.annotations.warn_at(text, self.place);
    }

    /// Adds an info, once; the text begins with `PromQL info: `.
    pub fn info(&mut self, text: impl Into<String>) {
        self.annotations.info_at(text, self.place);
    }

    /// Adds a notice, once.
    pub fn add(&mut self, notice: &Notice) {
        self.annotations.add_at(notice, self.place);
    }

    /// Makes the whole query fail with this text; the first one counts.
    pub fn fail(&mut self, text: impl Into<String>) {
        self.failure.get_or_insert_with(|| text.into());
    }

    /// Why the query must fail, if a kernel said so.
    #[must_use]
    pub fn failure(&self) -> Option<&str> {
        self.failure.as_deref()
    }

    /// The warnings so far.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        self.annotations.warnings.kept.keys().cloned().collect()
    }

    /// The infos so far.
    #[must_use]
    pub fn infos(&self) -> Vec<String> {
        self.annotations.infos.kept.keys().cloned().collect()
    }

    /// The annotations so far; leaves none.
    pub fn take_annotations(&mut self) -> Annotations {
        std::mem::take(&mut self.annotations)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_kept_once_and_bounded() {
        let mut annotations = Annotations::default();
        for index in 0..MAX_TEXTS + 3 {
            annotations.info(format!("{index:04}"));
            annotations.info("0000");
        }
        let (warnings, infos) = annotations.into_texts();
        assert_eq!(warnings.len(), 0);
        assert_eq!(infos.len(), MAX_TEXTS + 1);
        assert_eq!(infos[0], "0000");
        assert_eq!(infos[MAX_TEXTS], "3 more info annotations omitted");
    }
}
