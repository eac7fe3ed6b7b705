//! Making an entry: series are looked up in the open generation, and defined where they are not known.

use std::collections::HashMap;

use latewood_model::{HistogramSample, Sample, TenantId, TimestampMs};

use super::queue::Piece;
use super::{EntryBatch, TenantEntry};
use crate::SeriesRow;
use crate::head::Generation;

/// Series looked up under one hold of a tenant's lock.
const HOLD: usize = 512;

/// Collects rows and makes an [`EntryBatch`] of them.
#[derive(Debug)]
pub struct EntryBuilder<'a> {
    generation: &'a Generation,
    term: u64,
    tenants: Vec<(TenantId, Vec<Row<'a>>)>,
}

/// A series with some of its samples and histograms.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row<'a> {
    pub(super) series: SeriesRow<'a>,
    pub(super) samples: &'a [Sample],
    /// The samples' start timestamps, or nothing.
    pub(super) starts: &'a [TimestampMs],
    pub(super) histograms: &'a [HistogramSample],
}

impl<'a> EntryBuilder<'a> {
    /// An empty entry against the open generation.
    #[must_use]
    pub fn new(generation: &'a Generation, term: u64) -> Self {
        Self { generation, term, tenants: Vec::new() }
    }

    /// Adds a row of a tenant with all that it brings.
    pub fn push(&mut self, tenant: &TenantId, series: SeriesRow<'a>) {
        let (samples, starts, histograms) = (series.samples(), series.starts(), series.histograms());
        self.rows_of(tenant).push(Row { series, samples, starts, histograms });
    }

    pub(super) fn push_piece(&mut self, piece: &'a Piece) {
        let rows = self.rows_of(piece.tenant());
        rows.reserve(piece.len());
        rows.extend(piece.rows());
    }

    fn rows_of(&mut self, tenant: &TenantId) -> &mut Vec<Row<'a>> {
        let place = self.tenants.iter().position(|(known, _)| known == tenant);
        let place = place.unwrap_or_else(|| {
            self.tenants.push((tenant.clone(), Vec::new()));
            self.tenants.len() - 1
        });
        &mut self.tenants[place].1
    }

    /// Looks the series up and makes the entry.
    #[must_use]
    pub fn build(self) -> EntryBatch {
        let parts = self.tenants.into_iter();
        let tenants = parts.map(|(tenant, rows)| tenant_entry(self.generation, tenant, &rows));
        EntryBatch { term: self.term, generation: self.generation.number(), tenants: tenants.collect() }
    }
}

fn tenant_entry(generation: &Generation, tenant: TenantId, rows: &[Row<'_>]) -> TenantEntry {
    let mut references: Vec<Option<u32>> = Vec::with_capacity(rows.len());
    if let Some(head) = generation.tenant(&tenant) {
        for chunk in rows.chunks(HOLD) {
            let series = chunk.iter().map(|row| (row.series.hash(), row.series.label_bytes()));
            head.find_all(series, |found| references.push(found));
        }
    }
    references.resize(rows.len(), None);
    let found = references.iter().zip(rows);
    let mut known: Vec<(u32, &Row<'_>)> =
        found.clone().filter_map(|(reference, row)| Some(((*reference)?, row))).collect();
    known.sort_by_key(|(reference, _)| *reference);
    let mut entry = TenantEntry::new(tenant);
    for (reference, row) in known {
        entry.references.push(reference);
        push_samples(&mut entry, row);
    }
    let mut symbols = HashMap::with_hasher(foldhash::fast::FixedState::default());
    for (_, row) in found.filter(|(reference, _)| reference.is_none()) {
        for (name, value) in row.series.labels() {
            let mut symbol = |text| *symbols.entry(text).or_insert_with(|| entry.symbols.push(text));
            let pair = (symbol(name), symbol(value));
            entry.pairs.push(pair);
        }
        entry.definitions.push((row.series.hash(), entry.pairs.len() as u32));
        push_samples(&mut entry, row);
    }
    entry
}

fn push_samples(entry: &mut TenantEntry, row: &Row<'_>) {
    let samples = row.samples;
    entry.counts.push(samples.len() as u32);
    entry.timestamps.extend(samples.iter().map(|sample| sample.timestamp));
    entry.values.extend(samples.iter().map(|sample| sample.value));
    entry.push_starts(row.starts);
    entry.push_histograms(row.histograms);
}
