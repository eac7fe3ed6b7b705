//! The storage order of a metric's series, and the order of a label's values, kept between queries and extended when some
//! were added.
//!
//! Comparing needs the table's lock; it is taken for a bounded number of comparisons at a time, so that
//! a writer never waits for a whole sort.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};

use super::table::SeriesTable;

/// Comparisons made under one hold of the lock, about.
const HOLD: usize = 1024;

/// Sorted references per metric.
#[derive(Debug, Default)]
pub(super) struct Orders(Mutex<HashMap<u32, Arc<[u32]>>>);

impl Orders {
    /// A metric's series in storage order, all that were defined when the call began.
    pub(super) fn of_metric(&self, table: &RwLock<SeriesTable>, metric: u32) -> Arc<[u32]> {
        let known = self.0.lock().get(&metric).cloned().unwrap_or_default();
        let tail: Vec<u32> = {
            let table = table.read();
            let all = table.series_of_metric(metric);
            all.get(known.len()..).unwrap_or(&[]).to_vec()
        };
        if tail.is_empty() {
            return known;
        }
        let merged = extended(table, &known, &tail, |table, a, b| table.compare(metric, a, b));
        let mut orders = self.0.lock();
        let entry = orders.entry(metric).or_default();
        if entry.len() < merged.len() {
            *entry = Arc::clone(&merged);
        }
        merged
    }

    /// Bytes of memory.
    pub(super) fn heap_size(&self) -> usize {
        let orders = self.0.lock();
        let entry = size_of::<(u32, Arc<[u32]>)>() + 1;
        orders.values().map(|order| order.len() * 4 + 16).sum::<usize>() + orders.capacity() * entry
    }
}

/// The values of a label in their order, per label.
#[derive(Debug, Default)]
pub(super) struct ValueOrders(Mutex<HashMap<String, Arc<[u32]>>>);

impl ValueOrders {
    /// A label's pairs in the order of their values, all that were there when the call began.
    pub(super) fn of_label(&self, table: &RwLock<SeriesTable>, label: &str) -> Arc<[u32]> {
        let known = self.0.lock().get(label).cloned().unwrap_or_default();
        let tail: Vec<u32> = {
            let table = table.read();
            table.pairs.of_name(label).get(known.len()..).unwrap_or(&[]).to_vec()
        };
        if tail.is_empty() {
            return known;
        }
        let by_value = |table: &SeriesTable, a, b| table.pair_text(a).1.cmp(table.pair_text(b).1);
        let merged = extended(table, &known, &tail, by_value);
        let mut orders = self.0.lock();
        let entry = orders.entry(label.to_owned()).or_default();
        if entry.len() < merged.len() {
            *entry = Arc::clone(&merged);
        }
        merged
    }

    /// Bytes of memory.
    pub(super) fn heap_size(&self) -> usize {
        let orders = self.0.lock();
        let entry = size_of::<(String, Arc<[u32]>)>() + 1;
        let held = orders.iter().map(|(label, order)| label.len() + order.len() * 4 + 16);
        held.sum::<usize>() + orders.capacity() * entry
    }
}

/// A sorted list with others put in their places.
fn extended(
    table: &RwLock<SeriesTable>,
    known: &[u32],
    tail: &[u32],
    compare: impl Fn(&SeriesTable, u32, u32) -> Ordering,
) -> Arc<[u32]> {
    let sorted = sort(table, tail, &compare);
    merge(table, known, &sorted, &compare).into()
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
