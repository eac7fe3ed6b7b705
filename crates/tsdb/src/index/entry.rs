//! One series of an index: its labels, and where its chunks lie.

use latewood_model::TimestampMs;

use crate::cursor::{Cursor, Problem};

/// A series as it is written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct SeriesEntry {
    /// Where it is, in bytes from the start of the index.
    pub(crate) at: u64,
    /// References to symbols: names and values.
    pub(crate) labels: Vec<(u32, u32)>,
    pub(crate) chunks: Vec<ChunkMeta>,
}

/// Where a chunk lies, and when its samples are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ChunkMeta {
    /// The segment in the upper four bytes, the place in it in the lower four.
    pub(crate) reference: u64,
    /// Its first sample.
    pub(crate) min_time: TimestampMs,
    /// Its last sample.
    pub(crate) max_time: TimestampMs,
}

impl SeriesEntry {
    /// Length, content, checksum.
    pub(super) fn read(cursor: &mut Cursor<'_>) -> Result<Self, Problem> {
        let content = cursor.piece()?;
        let behind = cursor.at();
        if cursor.be32()? != crc32c::crc32c(content) {
            return Err(Problem {
                at: behind,
                text: "the checksum of a series does not match",
                is_short: false,
            });
        }
        // The content is all there, and longer bytes would not mend it.
        let mut inside = Cursor::new(content);
        let entry = Self::decode(&mut inside);
        entry.map_err(|problem| Problem {
            at: behind - content.len() + problem.at,
            is_short: false,
            ..problem
        })
    }

    fn decode(cursor: &mut Cursor<'_>) -> Result<Self, Problem> {
        let count = cursor.uvarint()?;
        // Each label has two bytes at least, each chunk three.
        let mut labels = Vec::with_capacity(count.min(cursor.left() as u64 / 2) as usize);
        for _ in 0..count {
            labels.push((cursor.uvarint32()?, cursor.uvarint32()?));
        }
        let count = cursor.uvarint()?;
        let mut chunks = Vec::with_capacity(count.min(cursor.left() as u64 / 3) as usize);
        let (mut last_time, mut last_reference) = (0_i64, 0_u64);
        for place in 0..count {
            // Differences wrap around where chunks overlap, as they are written.
            let min_time = match place {
                0 => cursor.varint()?,
                _ => last_time.wrapping_add(cursor.uvarint()? as i64),
            };
            let max_time = min_time.wrapping_add(cursor.uvarint()? as i64);
            if min_time > max_time {
                return Err(cursor.problem("a chunk ends before it begins"));
            }
            let reference = match place {
                0 => cursor.uvarint()?,
                _ => last_reference.wrapping_add(cursor.varint()? as u64),
            };
            (last_time, last_reference) = (max_time, reference);
            chunks.push(ChunkMeta { reference, min_time, max_time });
        }
        Ok(Self { at: 0, labels, chunks })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealed(content: &[u8]) -> Vec<u8> {
        [&[content.len() as u8], content, &crc32c::crc32c(content).to_be_bytes()].concat()
    }

    #[test]
    fn chunks_are_differences_that_may_overlap() {
        let minus_three = [0xfd, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1];
        let content = [&[1, 5, 6, 2, 20, 7, 8], minus_three.as_slice(), &[4, 26]].concat();
        let entry = SeriesEntry::read(&mut Cursor::new(&sealed(&content))).unwrap();
        let chunk = |reference, min_time, max_time| ChunkMeta { reference, min_time, max_time };
        assert_eq!((entry.labels, entry.chunks), (vec![(5, 6)], vec![chunk(8, 10, 17), chunk(21, 14, 18)]));
    }

    #[test]
    fn counts_are_not_believed() {
        let lie = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1];
        for content in [lie.to_vec(), [&[0], lie.as_slice()].concat()] {
            let problem = SeriesEntry::read(&mut Cursor::new(&sealed(&content))).unwrap_err();
            assert!(!problem.is_short, "{problem:?}");
        }
        assert!(SeriesEntry::read(&mut Cursor::new(&sealed(&[0, 0])[..4])).unwrap_err().is_short);
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_a_series_or_damage(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..100)) {
            if let Ok(entry) = SeriesEntry::read(&mut Cursor::new(&sealed(&bytes))) {
                proptest::prop_assert!(2 * entry.labels.len() + 3 * entry.chunks.len() <= bytes.len());
            }
        }
    }
}
