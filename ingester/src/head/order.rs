//! The storage order of a metric's series, kept between queries and extended when series were added.
//!
//! Comparing needs the table's lock; it is taken for a bounded number of comparisons at a time, so that
//! a writer never waits for a whole sort.

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
        let sorted = sort(table, metric, &tail);
        let merged: Arc<[u32]> = merge(table, metric, &known, &sorted).into();
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

fn sort(table: &RwLock<SeriesTable>, metric: u32, references: &[u32]) -> Vec<u32> {
    let mut runs: Vec<Vec<u32>> = Vec::new();
    for chunk in references.chunks(HOLD / 8) {
        let mut run = chunk.to_vec();
        let table = table.read();
        run.sort_unstable_by(|&a, &b| table.compare(metric, a, b));
        runs.push(run);
    }
    while runs.len() > 1 {
        let mut pairs = runs.chunks(2);
        let merged = pairs.by_ref().map(|pair| match pair {
            [a, b] => merge(table, metric, a, b),
            rest => rest.concat(),
        });
        runs = merged.collect();
    }
    runs.pop().unwrap_or_default()
}

fn merge(table: &RwLock<SeriesTable>, metric: u32, mut a: &[u32], mut b: &[u32]) -> Vec<u32> {
    let mut out = Vec::with_capacity(a.len() + b.len());
    while !a.is_empty() && !b.is_empty() {
        let table = table.read();
        for _ in 0..HOLD {
            let (Some((&x, rest_a)), Some((&y, rest_b))) = (a.split_first(), b.split_first()) else {
                break;
            };
            if table.compare(metric, x, y).is_le() {
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
