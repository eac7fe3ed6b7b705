//! Bytes of a journal command, version 5: `docs/format/entry.md`.

use super::deletion::encode_deletion;
use super::histogram::encode_histogram;
use super::starts::encode_starts;
use super::varint::{push, zigzag};
use super::{EntryBatch, ShardCommand, TenantEntry};

/// The version that is written.
pub(super) const VERSION: u8 = 5;
/// The command's kinds.
pub(super) const WRITE: u8 = 1;
pub(super) const FREEZE: u8 = 2;
pub(super) const FLUSHED: u8 = 3;
pub(super) const DELETE: u8 = 4;
pub(super) const UPLOADING: u8 = 5;

/// The bytes of a command.
#[must_use]
pub fn encode(command: &ShardCommand) -> Vec<u8> {
    let mut out = Vec::new();
    match command {
        ShardCommand::Write(entry) => {
            out.reserve(64 + entry.samples() * 12);
            out.extend([VERSION, WRITE]);
            encode_entry(entry, &mut out);
        }
        ShardCommand::Freeze { generation, next } => {
            out.extend([VERSION, FREEZE]);
            push(&mut out, *generation);
            push(&mut out, *next);
        }
        ShardCommand::Flushed { generation } => {
            out.extend([VERSION, FLUSHED]);
            push(&mut out, *generation);
        }
        ShardCommand::Uploading { generation } => {
            out.extend([VERSION, UPLOADING]);
            push(&mut out, *generation);
        }
        ShardCommand::Delete(entry) => {
            out.extend([VERSION, DELETE]);
            encode_deletion(entry, &mut out);
        }
    }
    out
}

fn encode_entry(entry: &EntryBatch, out: &mut Vec<u8>) {
    push(out, entry.term);
    push(out, entry.generation);
    push(out, entry.tenants.len() as u64);
    for part in &entry.tenants {
        encode_tenant(part, out);
    }
}

fn encode_tenant(part: &TenantEntry, out: &mut Vec<u8>) {
    let name = part.tenant.as_str();
    push(out, name.len() as u64);
    out.extend_from_slice(name.as_bytes());
    push(out, part.symbols.len() as u64);
    part.symbols.iter().for_each(|text| push(out, text.len() as u64));
    push(out, part.symbols.as_str().len() as u64);
    out.extend_from_slice(part.symbols.as_str().as_bytes());
    push(out, part.definitions() as u64);
    for (_, pairs) in part.definition_pairs() {
        push(out, pairs.len() as u64);
        for &(name, value) in pairs {
            push(out, name.into());
            push(out, value.into());
        }
    }
    push(out, part.references.len() as u64);
    let mut before = 0;
    for &reference in &part.references {
        push(out, u64::from(reference.wrapping_sub(before)));
        before = reference;
    }
    part.counts.iter().for_each(|&count| push(out, count.into()));
    encode_samples(part, out);
    encode_histograms(part, out);
    encode_starts(part, out);
}

fn encode_samples(part: &TenantEntry, out: &mut Vec<u8>) {
    push(out, part.values.len() as u64);
    let mut before = 0;
    for &at in &part.timestamps {
        push(out, zigzag(at.wrapping_sub(before)));
        before = at;
    }
    for value in &part.values {
        out.extend_from_slice(&value.to_bits().to_le_bytes());
    }
}

fn encode_histograms(part: &TenantEntry, out: &mut Vec<u8>) {
    push(out, part.histogram_rows.len() as u64);
    let mut before = 0;
    for &(row, count) in &part.histogram_rows {
        push(out, u64::from(row - before));
        push(out, count.into());
        before = row;
    }
    let mut at = 0;
    for sample in &part.histograms {
        push(out, zigzag(sample.timestamp.wrapping_sub(at)));
        encode_histogram(&sample.histogram, out);
        at = sample.timestamp;
    }
}
