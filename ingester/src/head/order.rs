//! The storage order of a metric's series, and the order of a label's values, kept between queries and extended when some
//! were added.
//!
//! Comparing needs the table's lock; it is taken for a bounded number of comparisons at a time, so that
//! a writer never waits for a whole sort.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};

use super::table::SeriesTable;

/// Comparisons made under one hold of the lock, about.
const HOLD: usize = 1024;

/// Sorted numbers by what they belong to: the series of a metric, the pairs of a label.
#[derive(Debug)]
pub(super) struct Orders<K>(Mutex<HashMap<K, Arc<[u32]>>>);

impl<K> Default for Orders<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl Orders<u32> {
    /// A metric's series in storage order, all that were defined when the call began.
    pub(super) fn of_metric(&self, table: &RwLock<SeriesTable>, metric: u32) -> Arc<[u32]> {
        let all = |table: &SeriesTable, known: usize| tail(table.series_of_metric(metric), known);
        self.of(table, &metric, all, |table, a, b| table.compare(metric, a, b))
    }
}

impl Orders<String> {
    /// A label's pairs in the order of their values, all that were there when the call began.
    pub(super) fn of_label(&self, table: &RwLock<SeriesTable>, label: &str) -> Arc<[u32]> {
        let all = |table: &SeriesTable, known: usize| tail(table.pairs.of_name(label), known);
        self.of(table, label, all, |table, a, b| table.pair_text(a).1.cmp(table.pair_text(b).1))
    }

    /// Bytes of memory that the keys take beside the rest.
    pub(super) fn keys_size(&self) -> usize {
        self.0.lock().keys().map(String::capacity).sum()
    }
}

impl<K: Eq + Hash> Orders<K> {
    /// The order of a key, extended by what came after the `known` ones.
    fn of<Q: Eq + Hash + ToOwned<Owned = K> + ?Sized>(
        &self,
        table: &RwLock<SeriesTable>,
        key: &Q,
        after: impl Fn(&SeriesTable, usize) -> Vec<u32>,
        compare: impl Fn(&SeriesTable, u32, u32) -> Ordering,
    ) -> Arc<[u32]>
    where
        K: Borrow<Q>,
    {
        let known = self.0.lock().get(key).cloned().unwrap_or_default();
        let tail = after(&table.read(), known.len());
        if tail.is_empty() {
            return known;
        }
        let sorted = sort(table, &tail, &compare);
        let merged: Arc<[u32]> = merge(table, &known, &sorted, &compare).into();
        let mut orders = self.0.lock();
        let entry = orders.entry(key.to_owned()).or_default();
        if entry.len() < merged.len() {
            *entry = Arc::clone(&merged);
        }
        merged
    }

    /// Bytes of memory.
    pub(super) fn heap_size(&self) -> usize {
        let orders = self.0.lock();
        let entry = size_of::<(K, Arc<[u32]>)>() + 1;
        orders.values().map(|order| order.len() * 4 + 16).sum::<usize>() + orders.capacity() * entry
    }
}

fn tail(all: &[u32], known: usize) -> Vec<u32> {
    all.get(known..).unwrap_or(&[]).to_vec()
}

fn sort(
    table: &RwLock<SeriesTable>,
    references: &[u32],
    compare: impl Fn(&SeriesTable, u32, u32) -> Ordering,
) -> Vec<u32> {
    let mut runs: Vec<Vec<u32>> = Vec::new();
    for chunk in references.chunks(HOLD / 8) {
        let mut run = chunk.to_vec();
        let table = table.read();
        run.sort_unstable_by(|&a, &b| compare(&table, a, b));
        runs.push(run);
    }
    while runs.len() > 1 {
        let mut pairs = runs.chunks(2);
        let merged = pairs.by_ref().map(|pair| match pair {
            [a, b] => merge(table, a, b, &compare),
            rest => rest.concat(),
        });
        runs = merged.collect();
    }
    runs.pop().unwrap_or_default()
}

fn merge(
    table: &RwLock<SeriesTable>,
    mut a: &[u32],
    mut b: &[u32],
    compare: impl Fn(&SeriesTable, u32, u32) -> Ordering,
) -> Vec<u32> {
    let mut out = Vec::with_capacity(a.len() + b.len());
    while !a.is_empty() && !b.is_empty() {
        let table = table.read();
        for _ in 0..HOLD {
            let (Some((&x, rest_a)), Some((&y, rest_b))) = (a.split_first(), b.split_first()) else {
                break;
            };
            if compare(&table, x, y).is_le() {
                out.push(x);
                a = rest_a;
            } else {
                out.push(y);
                b = rest_b;
            }
        }
    }
    out.extend_from_slice(a);
    out.extend_from_slice(b);
    out
}
