//! Making an entry: series are looked up in the open generation, and defined where they are not known.

use std::collections::HashMap;

use latewood_model::{HistogramSample, METRIC_NAME, Sample, TenantId, TimestampMs};

use super::queue::Piece;
use super::{EntryBatch, TenantEntry};
use crate::SeriesRow;
use crate::distributor::RefusedRow;
use crate::head::Generation;
use crate::limits::{Admission, Candidate};

/// Series looked up under one hold of a tenant's lock.
const HOLD: usize = 512;

/// Collects rows and makes an [`EntryBatch`] of them.
#[derive(Debug)]
pub struct EntryBuilder<'a> {
    generation: &'a Generation,
    term: u64,
    tenants: Vec<(TenantId, Vec<Row<'a>>)>,
    pieces: u32,
}

/// An entry, and what may not stand in it.
#[derive(Debug)]
pub(crate) struct Built {
    pub(crate) entry: EntryBatch,
    /// The rows that were refused, with the number of their piece.
    pub(crate) refused: Vec<(u32, RefusedRow)>,
}

/// A series with some of its samples and histograms.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row<'a> {
    pub(super) series: SeriesRow<'a>,
    pub(super) samples: &'a [Sample],
    /// The samples' start timestamps, or nothing.
    pub(super) starts: &'a [TimestampMs],
    pub(super) histograms: &'a [HistogramSample],
    /// The piece's number in the entry, and the row's in its batch.
    pub(super) place: (u32, u32),
}

impl<'a> EntryBuilder<'a> {
    /// An empty entry against the open generation.
    #[must_use]
    pub fn new(generation: &'a Generation, term: u64) -> Self {
        Self { generation, term, tenants: Vec::new(), pieces: 0 }
    }

    /// Adds a row of a tenant with all that it brings: all rows of one batch, in their order.
    pub fn push(&mut self, tenant: &TenantId, series: SeriesRow<'a>) {
        let (samples, starts, histograms) = (series.samples(), series.starts(), series.histograms());
        let rows = self.rows_of(tenant);
        let place = (0, rows.len() as u32);
        rows.push(Row { series, samples, starts, histograms, place });
    }

    pub(super) fn push_piece(&mut self, piece: &'a Piece) {
        let number = self.pieces;
        self.pieces += 1;
        let rows = self.rows_of(piece.tenant());
        rows.reserve(piece.len());
        rows.extend(piece.rows(number));
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
        self.build_admitted(None).entry
    }

    /// Looks the series up and makes the entry of those that are known, and of new ones that are admitted. Of a tenant
    /// that has none of them nothing is in it.
    pub(crate) fn build_admitted(self, mut admission: Option<&mut Admission>) -> Built {
        let (mut refused, mut tenants) = (Vec::new(), Vec::with_capacity(self.tenants.len()));
        for (tenant, rows) in self.tenants {
            let before = refused.len();
            let entry = tenant_entry(self.generation, tenant, &rows, admission.as_deref_mut(), &mut refused);
            if refused.len() - before < rows.len() || rows.is_empty() {
                tenants.push(entry);
            }
        }
        let entry = EntryBatch { term: self.term, generation: self.generation.number(), tenants };
        Built { entry, refused }
    }
}

fn tenant_entry(
    generation: &Generation,
    tenant: TenantId,
    rows: &[Row<'_>],
    admission: Option<&mut Admission>,
    refused: &mut Vec<(u32, RefusedRow)>,
) -> TenantEntry {
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
    let mut unknown: Vec<&Row<'_>> =
        found.filter(|(reference, _)| reference.is_none()).map(|(_, row)| row).collect();
    if let Some(admission) = admission.filter(|_| !unknown.is_empty()) {
        admit(admission, &tenant, &mut unknown, refused);
    }
    let mut entry = TenantEntry::new(tenant);
    for (reference, row) in known {
        entry.references.push(reference);
        push_samples(&mut entry, row);
    }
    let mut symbols = HashMap::with_hasher(foldhash::fast::FixedState::default());
    for row in unknown {
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

/// Takes out the rows whose series may not be defined.
fn admit(
    admission: &mut Admission,
    tenant: &TenantId,
    unknown: &mut Vec<&Row<'_>>,
    refused: &mut Vec<(u32, RefusedRow)>,
) {
    let mut decided = admission.admit(tenant, unknown.iter().map(|row| candidate(row))).into_iter();
    unknown.retain(|row| {
        let Some(refusal) = decided.next().flatten() else { return true };
        let (piece, row) = row.place;
        refused.push((piece, RefusedRow { row, cause: refusal.cause, message: refusal.message }));
        false
    });
}

fn candidate<'a>(row: &Row<'a>) -> Candidate<'a> {
    let metric = row.series.label_bytes().find(|(name, _)| *name == METRIC_NAME.as_bytes());
    Candidate { hash: row.series.hash(), metric: metric.map_or(&[], |(_, value)| value) }
}

fn push_samples(entry: &mut TenantEntry, row: &Row<'_>) {
    let samples = row.samples;
    entry.counts.push(samples.len() as u32);
    entry.timestamps.extend(samples.iter().map(|sample| sample.timestamp));
    entry.values.extend(samples.iter().map(|sample| sample.value));
    entry.push_starts(row.starts);
    entry.push_histograms(row.histograms);
}
