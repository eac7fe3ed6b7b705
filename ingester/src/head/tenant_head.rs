//! One tenant's part of a generation: its series table behind a lock, and what readers keep beside it.
//!
//! Lock order: neither the orders' mutex nor that of the selections is held while the table's lock is waited for, nor the
//! other way. The kept labels are read under the table's lock, and changed under none.

use std::collections::BTreeSet;
use std::sync::Arc;

use latewood_model::{LabelPair, Matcher, SeriesHash, TimeRange};
use latewood_proto::store::Detail;
use parking_lot::RwLock;

use super::cursor::HeadCursor;
use super::kept_labels::KeptLabels;
use super::matching::Matching;
use super::order::Orders;
use super::selections::Selections;
use super::statistics::HeadStatistics;
use super::table::{AppendCounts, SeriesTable};
use crate::journal::TenantEntry;

/// Series looked at under one hold of the lock by reads that touch all.
const HOLD: usize = 1024;

/// One tenant's series of one generation. Writers apply an entry at a time; readers take the lock for
/// short whiles.
#[derive(Debug, Default)]
pub struct TenantHead {
    pub(super) table: RwLock<SeriesTable>,
    orders: Orders<u32>,
    values: Orders<String>,
    selections: Selections,
    pub(super) labels: KeptLabels,
}

impl TenantHead {
    /// Applies a tenant's part of an entry and says what it did and how many bytes of memory are held now.
    pub(crate) fn apply(&self, entry: &TenantEntry) -> (AppendCounts, usize) {
        let mut table = self.table.write();
        let mut counts = AppendCounts::default();
        let (mut defined, mut numbers) = (Vec::with_capacity(entry.definitions()), Vec::new());
        for (hash, pairs) in entry.definition_pairs() {
            numbers.clear();
            let texts = pairs.iter().map(|&pair| entry.pair_text(pair));
            numbers.extend(texts.map(|(name, value)| table.pairs.intern(name, value)));
            let (reference, new) = table.define(hash, &numbers);
            counts.series += u64::from(new);
            defined.push(reference);
        }
        entry.for_each_sample(&defined, |reference, sample, start| {
            table.append(reference, sample, start, &mut counts);
        });
        entry.for_each_histogram(&defined, |reference, sample| {
            table.append_histogram(reference, sample, &mut counts);
        });
        (counts, table.heap_size())
    }

    /// The references of label sets that are known, in one hold of the lock. `None` for those that are not.
    /// A set's pairs are UTF-8, sorted by name.
    pub(crate) fn find_all<'a, P>(
        &self,
        series: impl Iterator<Item = (SeriesHash, P)>,
        mut found: impl FnMut(Option<u32>),
    ) where
        P: ExactSizeIterator<Item = (&'a [u8], &'a [u8])> + Clone,
    {
        let table = self.table.read();
        for (hash, pairs) in series {
            found(table.find(hash, &pairs));
        }
    }

    /// Whether there is a series of this half of a hash.
    pub(crate) fn has_hash(&self, hash: u64) -> bool {
        self.table.read().has_hash(hash)
    }

    /// How many series a metric has.
    pub(crate) fn series_of(&self, metric: &str) -> usize {
        let table = self.table.read();
        table.metric_by_name(metric).map_or(0, |metric| table.series_of_metric(metric).len())
    }

    /// Hands out each metric's name with halves of its series' hashes.
    pub(crate) fn for_each_metric(&self, mut each: impl FnMut(&str, &mut dyn Iterator<Item = u64>)) {
        let table = self.table.read();
        for metric in 0..table.metric_count() as u32 {
            let series = table.series_of_metric(metric).iter();
            let mut hashes = series.filter_map(|&reference| table.hash_of(reference));
            each(table.metric_name(metric), &mut hashes);
        }
    }

    /// The labels of a reference.
    #[cfg(test)]
    pub(crate) fn labels(&self, reference: u32) -> latewood_model::Labels {
        self.table.read().labels(reference)
    }

    /// Streams the series that match and have samples in a range. Looks at all metrics' names: call it off
    /// the async runtime.
    #[must_use]
    pub fn select(self: &Arc<Self>, matchers: &[Matcher], range: TimeRange, detail: Detail) -> HeadCursor {
        HeadCursor::new(Arc::clone(self), matchers, range, detail)
    }

    /// Streams all series for the last time: nothing is kept for those that come after.
    pub(crate) fn read_once(self: &Arc<Self>) -> HeadCursor {
        self.select(&[], TimeRange::ALL, Detail::Samples).keeping_nothing()
    }

    /// Series of a metric in storage order, and whether they are those alone that pass; else each is to be asked.
    pub(super) fn order_of(&self, metric: u32, matching: &mut Matching) -> (Arc<[u32]>, bool) {
        let order = self.orders.of_metric(&self.table, metric);
        if matching.asks_names_alone() {
            return (order, true);
        }
        match self.selections.of_metric(&self.table, metric, &order, matching) {
            Some(passing) => (passing, true),
            None => (order, false),
        }
    }

    /// The names of labels on the series that match and whose span meets a range, sorted.
    #[must_use]
    pub fn label_names(&self, matchers: &[Matcher], range: TimeRange) -> Vec<String> {
        let seen = self.seen(matchers, range);
        let pairs: Vec<u32> = (0..self.table.read().pairs.len() as u32).collect();
        let mut names = BTreeSet::new();
        self.for_each_pair(&pairs, seen.as_deref(), |(name, _)| {
            if !names.contains(name) {
                names.insert(name.to_owned());
            }
        });
        names.into_iter().collect()
    }

    /// The values of a label on the series that match and whose span meets a range, sorted.
    #[must_use]
    pub fn label_values(&self, label: &str, matchers: &[Matcher], range: TimeRange) -> Vec<String> {
        let seen = self.seen(matchers, range);
        let pairs = self.values.of_label(&self.table, label);
        let mut values = Vec::with_capacity(if seen.is_none() { pairs.len() } else { 0 });
        // Each pair is there once, so each value is.
        self.for_each_pair(&pairs, seen.as_deref(), |(_, value)| values.push(value.to_owned()));
        values
    }

    /// Hands out those of the pairs that were seen; all, where nobody looked.
    fn for_each_pair(&self, pairs: &[u32], seen: Option<&[bool]>, mut each: impl FnMut(LabelPair<'_>)) {
        let is_seen = |pair: u32| seen.is_none_or(|seen| seen.get(pair as usize).is_some_and(|seen| *seen));
        for chunk in pairs.chunks(HOLD) {
            let table = self.table.read();
            chunk.iter().filter(|pair| is_seen(**pair)).for_each(|&pair| each(table.pair_text(pair)));
        }
    }

    /// Which label pairs occur on the series that match; `None` if all do.
    fn seen(&self, matchers: &[Matcher], range: TimeRange) -> Option<Vec<bool>> {
        let mut matching = Matching::new(matchers);
        {
            let span = self.table.read().span();
            if matching.is_empty() && range.start <= span.start && span.end <= range.end {
                return None;
            }
            if !span.overlaps(range) {
                return Some(Vec::new());
            }
        }
        let mut seen = Vec::new();
        for metric in matching.metrics(&self.table) {
            let (series, all_pass) = self.order_of(metric, &mut matching);
            for chunk in series.chunks(HOLD) {
                let table = self.table.read();
                seen.resize(table.pairs.len(), false);
                for &reference in chunk {
                    let span = table.samples_of(reference).map_or(TimeRange::EMPTY, |samples| samples.span());
                    if span.overlaps(range) && (all_pass || matching.passes(&table, reference)) {
                        for &pair in table.pairs_of(reference) {
                            if let Some(place) = seen.get_mut(pair as usize) {
                                *place = true;
                            }
                        }
                    }
                }
            }
        }
        Some(seen)
    }

    /// Cardinality.
    #[must_use]
    pub fn statistics(&self) -> HeadStatistics {
        HeadStatistics::of(&self.table)
    }

    /// The span of all samples.
    #[must_use]
    pub fn span(&self) -> TimeRange {
        self.table.read().span()
    }

    /// How many series.
    #[must_use]
    pub fn series(&self) -> usize {
        self.table.read().len()
    }

    /// Bytes of memory.
    #[must_use]
    pub fn heap_size(&self) -> usize {
        let table = self.table.read().heap_size();
        table
            + self.orders.heap_size()
            + self.values.heap_size()
            + self.values.keys_size()
            + self.selections.heap_size()
            + self.labels.heap_size()
    }
}
