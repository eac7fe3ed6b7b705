//! What is to be deleted, checked.

use latewood_base::{ErrorKind, Ulid};
use latewood_catalog::{Tombstone, TombstoneMatcher};
use latewood_model::{Matcher, TenantId, TimeRange};
use latewood_proto::deletion::wire::{Condition, Selection};
use latewood_proto::store::StoreError;

/// The most selections of a request: each is a tombstone, and one more for each block that is flushed under it.
const MAX_SELECTIONS: usize = 1_000;

/// The most bytes of the texts of what is deleted at once, and of what waits in one shard: all of it is in the commit of each
/// block that is flushed under it, where a character may take six.
pub(crate) const MAX_BYTES: usize = 512 << 10;

/// Bytes of a deletion's texts.
pub(crate) fn text_bytes(tombstone: &Tombstone) -> usize {
    tombstone.matchers.iter().map(|one| one.name.len() + one.value.len() + 64).sum()
}

/// What is to be deleted of a tenant.
#[derive(Clone, Debug)]
pub(crate) struct Selected {
    pub(crate) tenant: TenantId,
    pub(crate) selections: Vec<(Tombstone, Vec<Matcher>)>,
}

impl Selected {
    /// Checks a request, and that its expressions compile.
    pub(super) fn new(tenant: &str, sent: Vec<Selection>) -> Result<Self, StoreError> {
        if sent.len() > MAX_SELECTIONS {
            return Err(invalid(format!("{} selections; at most {MAX_SELECTIONS} are allowed", sent.len())));
        }
        let selections: Result<_, _> = sent.into_iter().map(selection).collect();
        let selections: Vec<(Tombstone, Vec<Matcher>)> = selections?;
        let bytes: usize = selections.iter().map(|(tombstone, _)| text_bytes(tombstone)).sum();
        if bytes > MAX_BYTES {
            return Err(invalid(format!(
                "selectors of {bytes} bytes; at most {MAX_BYTES} are allowed at once"
            )));
        }
        Ok(Self { tenant: TenantId::new(tenant).map_err(invalid)?, selections })
    }

    /// The ids of the deletions, and what each is in words.
    pub(super) fn details(&self) -> Vec<(Ulid, String)> {
        let words = |tombstone: &Tombstone| {
            let condition = |one: &TombstoneMatcher| format!("{}{}{:?}", one.name, one.op, one.value);
            let conditions: Vec<_> = tombstone.matchers.iter().map(condition).collect();
            (tombstone.id, format!("{{{}}} {}", conditions.join(","), of_times(tombstone.range)))
        };
        self.tombstones().map(words).collect()
    }

    /// The deletions, bound to no block.
    pub(crate) fn tombstones(&self) -> impl Iterator<Item = &Tombstone> {
        self.selections.iter().map(|(tombstone, _)| tombstone)
    }
}

/// Which times, in words.
fn of_times(TimeRange { start, end }: TimeRange) -> String {
    match (start, end) {
        (i64::MIN, i64::MAX) => "of all times".to_owned(),
        (i64::MIN, end) => format!("up to {end} ms"),
        (start, i64::MAX) => format!("from {start} ms on"),
        (start, end) => format!("from {start} ms to {end} ms"),
    }
}

fn selection(sent: Selection) -> Result<(Tombstone, Vec<Matcher>), StoreError> {
    let condition = |Condition { name, op, value }| TombstoneMatcher { name, op, value };
    let tombstone = Tombstone {
        id: Ulid::from_string(&sent.id).map_err(invalid)?,
        matchers: sent.conditions.into_iter().map(condition).collect(),
        range: TimeRange::new(sent.start_ms, sent.end_ms),
        blocks: Default::default(),
    };
    tombstone.check().map_err(invalid)?;
    let matchers: Result<_, _> = tombstone.matchers.iter().map(TombstoneMatcher::to_matcher).collect();
    Ok((tombstone, matchers.map_err(invalid)?))
}

fn invalid(error: impl ToString) -> StoreError {
    StoreError::new(ErrorKind::Invalid, error)
}
