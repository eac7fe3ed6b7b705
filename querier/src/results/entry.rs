//! What is kept of a query.

use std::sync::Arc;

use latewood_model::TimeRange;
use latewood_promql::MatrixSeries;

use super::key::ResultKey;
use super::notes::Notes;
use super::sources::Sources;

/// What is kept of a query. Never changed: a better one takes its place.
#[derive(Clone, Debug, Default)]
pub(super) struct Entry {
    /// By their labels; their samples are at the steps of `held`.
    pub(super) series: Vec<MatrixSeries>,
    /// In order, without common steps, each within one extent.
    pub(super) held: Vec<Held>,
    /// The text of the query: the places that annotations name are places in it.
    pub(super) text: Arc<str>,
    /// Whether there were annotations of several extents at once, of which nobody knows whose they are: from then on
    /// extents are evaluated one by one.
    pub(super) is_annotated: bool,
}

/// A run of steps whose results are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) steps: TimeRange,
    pub(super) sources: Sources,
    pub(super) notes: Notes,
}

impl Entry {
    /// From the first step that is kept to the last.
    pub(super) fn steps(&self) -> TimeRange {
        self.held.iter().fold(TimeRange::EMPTY, |all, held| all.union(held.steps))
    }

    /// Bytes of memory, with its key. Labels count for each entry, though answers may share them.
    pub(super) fn size(&self, key: &ResultKey) -> u64 {
        let series = self.series.iter().map(|series| series.size() + series.labels.heap_size());
        let held = self
            .held
            .iter()
            .map(|held| size_of::<Held>() + held.sources.heap_size() + held.notes.heap_size());
        let fixed = size_of::<Self>() + size_of::<ResultKey>() + key.heap_size() + self.text.len() + 128;
        (series.sum::<usize>() + held.sum::<usize>() + fixed) as u64
    }
}

/// The part of a series' samples in a run of steps; the samples are ascending.
pub(super) fn within<T>(samples: &[T], time: impl Fn(&T) -> i64, steps: TimeRange) -> &[T] {
    let from = samples.partition_point(|sample| time(sample) < steps.start);
    let rest = samples.get(from..).unwrap_or_default();
    let count = rest.partition_point(|sample| time(sample) <= steps.end);
    rest.get(..count).unwrap_or_default()
}
