//! From the bytes that another node sent to a write of this one's: checked, as what comes from outside is.

use std::sync::Arc;

use latewood_base::{ErrorKind, Kinded};
use latewood_model::{HistogramSample, NO_START, Sample};
use latewood_proto::remote_write::{LabelSpan, Range32, Span};

use crate::WriteBatch;
use crate::distributor::ShardPart;
use crate::journal::{EntryError, ShardCommand, TenantEntry, decode};
use crate::write::{Buffers, Row};

/// Why bytes are no part of a write.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ForwardError {
    /// They are no entry.
    #[error("a part of a write from another node cannot be read: {0}")]
    Entry(#[from] EntryError),
    /// They are an entry that nobody sends.
    #[error("a part of a write from another node makes no sense: {0}")]
    Content(&'static str),
}

impl Kinded for ForwardError {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Invalid
    }
}

const WRONG: fn(&'static str) -> ForwardError = ForwardError::Content;

/// The part that was spelled out, for the shard in a place; its rows are the definitions in their order. Takes a small
/// multiple of the bytes.
///
/// # Errors
/// [`ForwardError`] for bytes that are no such part.
pub fn read_part(bytes: &[u8], place: u32) -> Result<ShardPart, ForwardError> {
    let ShardCommand::Write(entry) = decode(bytes)? else { return Err(WRONG("it is no write")) };
    let [tenant] = entry.tenants.as_slice() else { return Err(WRONG("it is not of one tenant")) };
    let buffers = buffers(tenant)?;
    let batch = WriteBatch::new(tenant.tenant.clone(), buffers, None);
    Ok(ShardPart::whole(Arc::new(batch), place))
}

fn buffers(entry: &TenantEntry) -> Result<Buffers, ForwardError> {
    if entry.has_references() {
        return Err(WRONG("it refers to series by number"));
    }
    let mut buffers = Buffers::default();
    let texts = texts(entry, &mut buffers);
    for (hash, pairs) in entry.definition_pairs() {
        let first = buffers.columns.labels.len();
        for (name, value) in pairs {
            let text = |symbol: &u32| texts.get(*symbol as usize).copied().unwrap_or_default();
            let label = LabelSpan { name: text(name), value: text(value) };
            if label.name.is_empty() {
                return Err(WRONG("a label has no name"));
            }
            buffers.columns.labels.push(label);
        }
        let labels = range(first, buffers.columns.labels.len());
        // It has been routed: the other hash is not asked for again.
        buffers.rows.push(Row {
            labels,
            samples: Range32::default(),
            exemplars: Range32::default(),
            sent: 0,
            histograms: Range32::default(),
            sent_histograms: 0,
            hash,
            routing: hash,
        });
    }
    let rows: Vec<u32> = (0..buffers.rows.len() as u32).collect();
    take_samples(entry, &rows, &mut buffers);
    take_histograms(entry, &rows, &mut buffers);
    check_order(&buffers)?;
    Ok(buffers)
}

/// Puts the texts into the body, and tells where each is.
fn texts(entry: &TenantEntry, buffers: &mut Buffers) -> Vec<Span> {
    let body = &mut buffers.body;
    let spans = entry.symbols.iter().map(|text| {
        let span = Span { start: body.len() as u32, len: text.len() as u32 };
        body.extend_from_slice(text.as_bytes());
        span
    });
    spans.collect()
}

fn take_samples(entry: &TenantEntry, rows: &[u32], buffers: &mut Buffers) {
    let Buffers { columns, rows: series, .. } = buffers;
    let mut has_starts = false;
    entry.for_each_sample(rows, |row, sample: Sample, start| {
        if let Some(series) = series.get_mut(row as usize) {
            add_one(&mut series.samples, columns.samples.len());
            series.sent += 1;
        }
        has_starts |= start != NO_START;
        columns.samples.push(sample);
        columns.starts.push(start);
    });
    if !has_starts {
        columns.starts = Vec::new();
    }
}

fn take_histograms(entry: &TenantEntry, rows: &[u32], buffers: &mut Buffers) {
    let Buffers { histograms, rows: series, .. } = buffers;
    entry.for_each_histogram(rows, |row, sample: &HistogramSample| {
        if let Some(series) = series.get_mut(row as usize) {
            add_one(&mut series.histograms, histograms.len());
            series.sent_histograms += 1;
        }
        histograms.push(sample.clone());
    });
}

/// The samples of a row are one after another.
fn add_one(range: &mut Range32, place: usize) {
    let place = place as u32;
    if range.is_empty() {
        range.start = place;
    }
    range.end = place + 1;
}

fn check_order(buffers: &Buffers) -> Result<(), ForwardError> {
    let ascend = buffers.rows.iter().all(|row| {
        let (samples, histograms) =
            (row.samples.of(&buffers.columns.samples), row.histograms.of(&buffers.histograms));
        samples.is_sorted_by(|a, b| a.timestamp < b.timestamp)
            && histograms.is_sorted_by(|a, b| a.timestamp < b.timestamp)
    });
    if ascend { Ok(()) } else { Err(WRONG("times do not ascend")) }
}

fn range(start: usize, end: usize) -> Range32 {
    Range32 { start: start as u32, end: end as u32 }
}

#[cfg(test)]
mod tests;
