//! Deletions in the log: what samples of closed generations are masked from here on.

use latewood_base::Ulid;
use latewood_catalog::{Tombstone, TombstoneMatcher};
use latewood_model::{TenantId, TimeRange};

use super::varint::{Reader, push, unzigzag, zigzag};

/// The conditions' operators by their numbers in an entry.
const OPERATORS: [&str; 4] = ["=", "!=", "=~", "!~"];

/// Deletions of one tenant, as far as one shard is concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeletionEntry {
    /// Whose samples.
    pub tenant: TenantId,
    /// They are masked in all generations up to this one, which was closed when the entry was proposed; what is
    /// written later is visible.
    pub through: u64,
    /// What is deleted. Bound to no block: it is the generations' blocks that they come to bind.
    pub tombstones: Vec<Tombstone>,
}

pub(super) fn encode_deletion(entry: &DeletionEntry, out: &mut Vec<u8>) {
    push_text(entry.tenant.as_str(), out);
    push(out, entry.through);
    push(out, entry.tombstones.len() as u64);
    for tombstone in &entry.tombstones {
        out.extend_from_slice(&tombstone.id.0.to_le_bytes());
        push(out, zigzag(tombstone.range.start));
        push(out, zigzag(tombstone.range.end));
        push(out, tombstone.matchers.len() as u64);
        for matcher in &tombstone.matchers {
            let op = OPERATORS.iter().position(|op| *op == matcher.op);
            // Conditions were checked before they were proposed; a number of none is refused when it is read.
            out.push(op.and_then(|op| u8::try_from(op).ok()).unwrap_or(u8::MAX));
            push_text(&matcher.name, out);
            push_text(&matcher.value, out);
        }
    }
}

fn push_text(text: &str, out: &mut Vec<u8>) {
    push(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

pub(super) fn decode_deletion(reader: &mut Reader<'_>) -> Option<DeletionEntry> {
    let tenant = TenantId::new(text(reader)?).ok()?;
    let through = reader.number()?;
    // An id, two times and a count.
    let count = reader.count(19)?;
    let tombstones: Option<Vec<_>> = (0..count).map(|_| tombstone(reader)).collect();
    Some(DeletionEntry { tenant, through, tombstones: tombstones? })
}

fn tombstone(reader: &mut Reader<'_>) -> Option<Tombstone> {
    let id = Ulid(u128::from_le_bytes(reader.take(16)?.try_into().ok()?));
    let range = TimeRange::new(unzigzag(reader.number()?), unzigzag(reader.number()?));
    // An operator and two lengths.
    let count = reader.count(3)?;
    let matchers: Option<Vec<_>> = (0..count).map(|_| matcher(reader)).collect();
    let tombstone = Tombstone { id, matchers: matchers?, range, blocks: Default::default() };
    tombstone.check().is_ok().then_some(tombstone)
}

fn matcher(reader: &mut Reader<'_>) -> Option<TombstoneMatcher> {
    let op = (*OPERATORS.get(usize::from(reader.byte()?))?).to_owned();
    Some(TombstoneMatcher { op, name: text(reader)?.to_owned(), value: text(reader)?.to_owned() })
}

fn text<'a>(reader: &mut Reader<'a>) -> Option<&'a str> {
    let length = reader.count(1)?;
    std::str::from_utf8(reader.take(length)?).ok()
}
