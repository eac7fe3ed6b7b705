//! `tombstones`: what was deleted and is still in the chunks.
//!
//! ```text
//! magic 0x0130BA30 | version 1 | series, first, last | … | CRC-32C of what is behind the version
//!        4 B            1 B      uvarint, varint, varint        4 B
//! ```

use std::collections::HashMap;
use std::path::Path;

use latewood_model::{TimeRange, TimestampMs};

use crate::TsdbError;
use crate::cursor::{Cursor, Problem};
use crate::limits::TOMBSTONE_BYTES;
use crate::source::{SUM_BYTES, Section, Source};

const MAGIC: u32 = 0x0130_BA30;
const VERSION: u8 = 1;
const HEADER_BYTES: u64 = 5;

/// Deleted times of each series, by its reference in the index.
#[derive(Debug, Default)]
pub(crate) struct Tombstones(HashMap<u64, Vec<TimeRange>>);

impl Tombstones {
    /// Those of a block's folder; a block without the file has none.
    pub(crate) fn read(block: &Path) -> Result<Self, TsdbError> {
        let file = match Source::open(&block.join("tombstones")) {
            Err(TsdbError::Missing { .. }) => return Ok(Self::default()),
            file => file?,
        };
        if file.len() > TOMBSTONE_BYTES {
            return Err(file.too_large(0, format!("{} bytes", file.len()), TOMBSTONE_BYTES));
        }
        let header = file.read(0, HEADER_BYTES)?;
        let mut cursor = Cursor::new(&header);
        let corrupt = |problem: Problem| file.corrupt(problem.at as u64, problem.text);
        if cursor.be32().map_err(corrupt)? != MAGIC {
            return Err(file.corrupt(0, "it does not begin as a file of tombstones"));
        }
        match cursor.byte().map_err(corrupt)? {
            VERSION => {}
            found => return Err(file.unknown(4, "tombstone format", found.into())),
        }
        let length = file.len().checked_sub(HEADER_BYTES + SUM_BYTES);
        let length = length.ok_or_else(|| file.corrupt(HEADER_BYTES, "the checksum is missing"))?;
        let stones = Section { start: HEADER_BYTES, length };
        file.check_sum(stones)?;
        let bytes = file.read(stones.start, stones.length)?;
        Self::decode(&bytes).map_err(|problem| file.corrupt(HEADER_BYTES + problem.at as u64, problem.text))
    }

    fn decode(bytes: &[u8]) -> Result<Self, Problem> {
        let (mut cursor, mut stones) = (Cursor::new(bytes), HashMap::<u64, Vec<TimeRange>>::new());
        while cursor.left() > 0 {
            let series = cursor.uvarint()?;
            let range = TimeRange::new(cursor.varint()?, cursor.varint()?);
            stones.entry(series).or_default().push(range);
        }
        for ranges in stones.values_mut() {
            join(ranges);
        }
        Ok(Self(stones))
    }

    #[cfg(test)]
    pub(crate) fn with(series: u64, mut ranges: Vec<TimeRange>) -> Self {
        join(&mut ranges);
        Self([(series, ranges)].into())
    }

    /// The deleted times of a series.
    pub(crate) fn of(&self, series: u64) -> Deleted<'_> {
        Deleted(self.0.get(&series).map_or(&[], Vec::as_slice))
    }
}

/// Sorts ranges and joins those that overlap.
fn join(ranges: &mut Vec<TimeRange>) {
    ranges.retain(|range| !range.is_empty());
    ranges.sort_unstable_by_key(|range| (range.start, range.end));
    ranges.dedup_by(|next, kept| {
        let overlap = next.start <= kept.end;
        if overlap {
            kept.end = kept.end.max(next.end);
        }
        overlap
    });
}

/// The deleted times of one series: ranges that ascend and do not overlap.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Deleted<'a>(&'a [TimeRange]);

impl Deleted<'_> {
    /// Whether a sample was deleted.
    pub(crate) fn contains(self, at: TimestampMs) -> bool {
        let behind = self.0.partition_point(|range| range.end < at);
        self.0.get(behind).is_some_and(|range| range.contains(at))
    }

    /// Whether all samples of a range were deleted by one tombstone: they need not be read.
    pub(crate) fn covers(self, start: TimestampMs, end: TimestampMs) -> bool {
        let behind = self.0.partition_point(|range| range.end < end);
        self.0.get(behind).is_some_and(|range| range.start <= start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_in_any_order_become_one_ascending_list() {
        let mut ranges: Vec<TimeRange> = [(5, 9), (-3, 1), (8, 12), (4, 2), (20, 20)]
            .map(|(start, end)| TimeRange::new(start, end))
            .into();
        join(&mut ranges);
        let deleted = Deleted(&ranges);
        let found: Vec<i64> = (-5..25).filter(|&at| deleted.contains(at)).collect();
        let expected: Vec<i64> = (-3..=1).chain(5..=12).chain([20]).collect();
        assert_eq!(found, expected);
        assert!(deleted.covers(5, 12) && deleted.covers(6, 6) && deleted.covers(20, 20));
        assert!(
            !deleted.covers(1, 5)
                && !deleted.covers(4, 6)
                && !deleted.covers(12, 13)
                && !deleted.covers(21, 22)
        );
        assert!(!Deleted::default().contains(0));
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_stones_or_damage(bytes: Vec<u8>) {
            let _ = Tombstones::decode(&bytes);
        }
    }
}
