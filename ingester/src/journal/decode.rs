//! From the bytes of a journal command: never panics, never allocates more than a small multiple of the
//! bytes it was given.

use std::sync::Arc;

use latewood_model::{HistogramSample, SeriesHash, TenantId, TimestampMs, hash_pairs};

use super::deletion::decode_deletion;
use super::encode::{DELETE, FLUSHED, FREEZE, UPLOADING, VERSION, WRITE};
use super::entry::Texts;
use super::histogram::decode_histogram;
use super::starts::decode_starts;
use super::varint::{Reader, unzigzag};
use super::{EntryBatch, ShardCommand, TenantEntry};

/// Why bytes are no journal command.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    /// Written by a newer version.
    #[error("the entry has format version {found}; this release reads up to {VERSION}: upgrade it")]
    Version {
        /// The version found.
        found: u8,
    },
    /// Not what was written.
    #[error("the entry is damaged: {0}")]
    Damaged(&'static str),
}

const DAMAGED: fn(&'static str) -> EntryError = EntryError::Damaged;

/// Reads what [`super::encode`] wrote.
///
/// # Errors
/// [`EntryError`] for any other bytes.
pub fn decode(bytes: &[u8]) -> Result<ShardCommand, EntryError> {
    let mut reader = Reader(bytes);
    let version = reader.byte().ok_or(DAMAGED("it is empty"))?;
    if !(1..=VERSION).contains(&version) {
        return Err(EntryError::Version { found: version });
    }
    let command = match reader.byte() {
        Some(WRITE) => ShardCommand::Write(Arc::new(entry(version, &mut reader)?)),
        Some(FREEZE) => ShardCommand::Freeze {
            generation: reader.number().ok_or(DAMAGED("freeze: generation"))?,
            next: reader.number().ok_or(DAMAGED("freeze: next"))?,
        },
        Some(FLUSHED) => {
            ShardCommand::Flushed { generation: reader.number().ok_or(DAMAGED("flushed: generation"))? }
        }
        Some(DELETE) if version > 3 => {
            ShardCommand::Delete(Arc::new(decode_deletion(&mut reader).ok_or(DAMAGED("deletion"))?))
        }
        Some(UPLOADING) if version > 4 => {
            ShardCommand::Uploading { generation: reader.number().ok_or(DAMAGED("uploading: generation"))? }
        }
        _ => return Err(DAMAGED("unknown kind")),
    };
    if reader.0.is_empty() { Ok(command) } else { Err(DAMAGED("bytes behind its end")) }
}

fn entry(version: u8, reader: &mut Reader<'_>) -> Result<EntryBatch, EntryError> {
    let term = reader.number().ok_or(DAMAGED("term"))?;
    let generation = reader.number().ok_or(DAMAGED("generation"))?;
    // A tenant's part has at least a name of one byte, and six counts.
    let tenants = reader.count(7).ok_or(DAMAGED("number of tenants"))?;
    let tenants: Result<Vec<_>, _> = (0..tenants).map(|_| tenant(version, reader)).collect();
    Ok(EntryBatch { term, generation, tenants: tenants? })
}

fn tenant(version: u8, reader: &mut Reader<'_>) -> Result<TenantEntry, EntryError> {
    let name = text(reader).ok_or(DAMAGED("tenant"))?;
    let mut part = TenantEntry::new(TenantId::new(name).map_err(|_| DAMAGED("tenant"))?);
    part.symbols = symbols(reader).ok_or(DAMAGED("symbols"))?;
    definitions(reader, &mut part).ok_or(DAMAGED("definitions"))?;
    rows(reader, &mut part).ok_or(DAMAGED("rows"))?;
    samples(reader, &mut part).ok_or(DAMAGED("samples"))?;
    if version > 1 {
        histograms(reader, &mut part).ok_or(DAMAGED("histograms"))?;
    }
    if version > 2 {
        decode_starts(reader, &mut part).ok_or(DAMAGED("start timestamps"))?;
    }
    Ok(part)
}

fn text<'a>(reader: &mut Reader<'a>) -> Option<&'a str> {
    let length = reader.count(1)?;
    std::str::from_utf8(reader.take(length)?).ok()
}

fn symbols(reader: &mut Reader<'_>) -> Option<Texts> {
    let count = reader.count(1)?;
    let lengths: Option<Vec<u32>> = (0..count).map(|_| reader.small()).collect();
    Texts::from_lengths(text(reader)?, &lengths?)
}

fn definitions(reader: &mut Reader<'_>, part: &mut TenantEntry) -> Option<()> {
    let count = reader.count(1)?;
    part.definitions.reserve(count);
    let known = u32::try_from(part.symbols.len()).ok()?;
    for _ in 0..count {
        let start = part.pairs.len();
        for _ in 0..reader.count(2)? {
            let pair = (reader.small()?, reader.small()?);
            if pair.0 >= known || pair.1 >= known {
                return None;
            }
            part.pairs.push(pair);
        }
        let hash = checked_hash(part, start)?;
        let end = u32::try_from(part.pairs.len()).ok()?;
        part.definitions.push((hash, end));
    }
    Some(())
}

/// The hash of the pairs from `start`, if their names ascend and no value is empty.
fn checked_hash(part: &TenantEntry, start: usize) -> Option<SeriesHash> {
    let pairs = part.pairs.get(start..)?.iter().map(|&pair| part.pair_text(pair));
    let ascending = pairs.clone().is_sorted_by(|a, b| a.0 < b.0);
    let whole = pairs.clone().all(|(_, value)| !value.is_empty());
    (ascending && whole).then(|| hash_pairs(pairs))
}

fn rows(reader: &mut Reader<'_>, part: &mut TenantEntry) -> Option<()> {
    let known = reader.count(1)?;
    part.references.reserve(known);
    let mut before = 0_u32;
    for _ in 0..known {
        before = before.checked_add(reader.small()?)?;
        part.references.push(before);
    }
    let rows = known + part.definitions.len();
    if rows > reader.0.len() {
        return None;
    }
    part.counts.reserve(rows);
    for _ in 0..rows {
        part.counts.push(reader.small()?);
    }
    Some(())
}

fn samples(reader: &mut Reader<'_>, part: &mut TenantEntry) -> Option<()> {
    let count = reader.count(9)?;
    let expected: u64 = part.counts.iter().map(|&count| u64::from(count)).sum();
    if expected != count as u64 {
        return None;
    }
    part.timestamps.reserve(count);
    let mut at: TimestampMs = 0;
    for _ in 0..count {
        at = at.wrapping_add(unzigzag(reader.number()?));
        part.timestamps.push(at);
    }
    let (values, _) = reader.take(count.checked_mul(8)?)?.as_chunks::<8>();
    let values = values.iter().map(|bytes| f64::from_bits(u64::from_le_bytes(*bytes)));
    part.values.extend(values);
    Some(())
}

fn histograms(reader: &mut Reader<'_>, part: &mut TenantEntry) -> Option<()> {
    let rows = reader.count(2)?;
    part.histogram_rows.reserve(rows);
    let (mut row, mut total) = (0_u32, 0_usize);
    for number in 0..rows {
        let step = reader.small()?;
        row = row.checked_add(step)?;
        if (number > 0 && step == 0) || row as usize >= part.counts.len() {
            return None;
        }
        // Each histogram has at least a time and flags.
        let count = reader.count(2).filter(|&count| count > 0)?;
        total = total.checked_add(count)?;
        part.histogram_rows.push((row, u32::try_from(count).ok()?));
    }
    let mut at: TimestampMs = 0;
    for _ in 0..total {
        at = at.wrapping_add(unzigzag(reader.number()?));
        let histogram = decode_histogram(reader)?;
        part.histograms.push(HistogramSample::new(at, histogram));
    }
    Some(())
}
