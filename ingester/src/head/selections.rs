//! Which series of a metric pass some matchers, kept between queries: dashboards ask the same again and again.
//!
//! Series are only ever added, so what is known stays right: it is extended by those that came after.

use std::sync::Arc;

use indexmap::IndexMap;
use latewood_model::{MatchOp, Matcher};
use parking_lot::{Mutex, RwLock};

use super::matching::Matching;
use super::table::SeriesTable;

/// Series looked at under one hold of the lock.
const HOLD: usize = 256;

/// Selections kept at most.
const MAX_KEPT: usize = 512;

/// Series in all kept selections together for which there is always room. Beyond that there may be as many as the tenant
/// has.
const MIN_SERIES: usize = 1 << 16;

/// A metric with more series than this is not looked through at once.
const MAX_SERIES: usize = 1 << 17;

/// Matchers with longer texts than this, all together, are not kept.
const MAX_TEXT: usize = 1 << 12;

/// A metric and what else is asked of its series, in the order of the texts.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    metric: u32,
    matchers: Vec<(String, MatchOp, String)>,
}

/// What is known.
#[derive(Clone, Debug)]
struct Selection {
    /// The series that pass, in storage order.
    series: Arc<[u32]>,
    /// Series with a lesser reference were looked at.
    seen: u32,
}

/// The kept selections, the one used longest ago first.
#[derive(Debug, Default)]
pub(super) struct Selections(Mutex<IndexMap<Key, Selection>>);

impl Selections {
    /// Those of a metric's series, given in storage order, that pass; `None` where there are too many to be looked at at
    /// once, or nothing is asked of them.
    pub(super) fn of_metric(
        &self,
        table: &RwLock<SeriesTable>,
        metric: u32,
        order: &[u32],
        matching: &mut Matching,
    ) -> Option<Arc<[u32]>> {
        let texts = matching.others().map(|matcher| matcher.name().len() + matcher.value().len());
        let text = texts.fold(None, |sum, length| Some(sum.unwrap_or(0) + length))?;
        if text > MAX_TEXT || order.len() > MAX_SERIES {
            return None;
        }
        let mut matchers: Vec<_> = matching.others().map(text_of).collect();
        matchers.sort_unstable();
        let key = Key { metric, matchers };
        let known = self.0.lock().shift_remove(&key);
        let newest = order.iter().copied().max().map_or(0, |newest| newest + 1);
        let selection = match known {
            Some(known) if known.seen >= newest => known,
            known => {
                let known = known.unwrap_or_else(|| Selection { series: Arc::default(), seen: 0 });
                let series = extended(table, order, &known, matching).into();
                Selection { series, seen: newest }
            }
        };
        let series = Arc::clone(&selection.series);
        let known = table.read().len();
        self.keep(key, selection, known);
        Some(series)
    }

    fn keep(&self, key: Key, selection: Selection, series: usize) {
        let mut kept = self.0.lock();
        kept.insert(key, selection);
        let mut held: usize = kept.values().map(|kept| kept.series.len()).sum();
        while kept.len() > MAX_KEPT || held > series.max(MIN_SERIES) {
            let Some((_, oldest)) = kept.shift_remove_index(0) else { return };
            held -= oldest.series.len();
        }
    }

    /// Bytes of memory.
    pub(super) fn heap_size(&self) -> usize {
        let texts = |key: &Key| {
            key.matchers.iter().map(|(name, _, value)| name.len() + value.len() + 56).sum::<usize>()
        };
        let kept = self.0.lock();
        let entry = size_of::<(Key, Selection)>() + 16;
        kept.iter().map(|(key, kept)| texts(key) + kept.series.len() * 4 + entry).sum()
    }
}

fn text_of(matcher: &Matcher) -> (String, MatchOp, String) {
    (matcher.name().to_owned(), matcher.op(), matcher.value().to_owned())
}

/// What passes of an order that has all series which are known, and others that came later.
fn extended(
    table: &RwLock<SeriesTable>,
    order: &[u32],
    known: &Selection,
    matching: &mut Matching,
) -> Vec<u32> {
    let mut passed = Vec::new();
    let mut old = known.series.iter().copied().peekable();
    for chunk in order.chunks(HOLD) {
        let table = table.read();
        for &series in chunk {
            let passes = if series < known.seen {
                old.next_if_eq(&series).is_some()
            } else {
                matching.passes(&table, series)
            };
            if passes {
                passed.push(series);
            }
        }
    }
    passed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(series: impl Iterator<Item = (u64, &'static str)>) -> RwLock<SeriesTable> {
        let table = RwLock::new(SeriesTable::default());
        series.for_each(|(number, zone)| define(&table, number, zone));
        table
    }

    fn define(table: &RwLock<SeriesTable>, number: u64, zone: &str) {
        let mut table = table.write();
        let texts = [("__name__", "m"), ("n", &*format!("{number:03}")), ("zone", zone)];
        let pairs = texts.map(|(name, value)| table.pairs.intern(name, value));
        table.define(latewood_model::SeriesHash(u128::from(number)), &pairs);
    }

    #[test]
    fn what_is_known_is_extended_by_what_came_later() {
        let table = table([(5, "a"), (1, "b"), (3, "a")].into_iter());
        let (selections, orders) = (Selections::default(), super::super::order::Orders::default());
        let matcher = Matcher::new(MatchOp::Equal, "zone", "a").unwrap();
        let select = || {
            let order = orders.of_metric(&table, 0);
            let mut matching = Matching::new(std::slice::from_ref(&matcher));
            selections.of_metric(&table, 0, &order, &mut matching).unwrap().to_vec()
        };
        assert_eq!(select(), [2, 0]);
        assert_eq!(select(), [2, 0]);
        define(&table, 4, "a");
        define(&table, 2, "b");
        assert_eq!(select(), [2, 3, 0]);
        assert_eq!(selections.0.lock().len(), 1);
        let mut all = Matching::new(&[]);
        assert!(selections.of_metric(&table, 0, &[0, 1], &mut all).is_none());
    }

    #[test]
    fn they_are_bounded() {
        let table = table([(1, "a")].into_iter());
        let selections = Selections::default();
        for value in 0..2 * MAX_KEPT {
            let matcher = Matcher::new(MatchOp::NotEqual, "zone", &value.to_string()).unwrap();
            let mut matching = Matching::new(&[matcher]);
            assert_eq!(selections.of_metric(&table, 0, &[0], &mut matching).unwrap().len(), 1);
        }
        assert_eq!(selections.0.lock().len(), MAX_KEPT);
        assert!(selections.heap_size() < MAX_KEPT * 300);
        let large = Selection { series: vec![0; MIN_SERIES].into(), seen: 1 };
        selections.keep(Key { metric: 1, matchers: Vec::new() }, large, 1);
        assert_eq!(selections.0.lock().len(), 1);
    }
}
