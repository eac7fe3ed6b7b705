//! The bytes of a segment: its header and its records. Pure; drawn in `docs/format/journal.md`.
//!
//! Every number is little-endian. A record's header has its own checksum, seeded with a number drawn at
//! random for the segment: bytes inside a payload, whoever chose them, never pass for a header.

use crate::GroupId;

/// The first bytes of a segment.
pub(crate) const MAGIC: [u8; 8] = *b"LWJRNL\r\n";
/// The newest version of the layout.
pub(crate) const VERSION: u32 = 1;
/// Bytes of a segment's header.
pub(crate) const SEGMENT_HEADER: usize = 32;
/// Bytes of a record's header.
pub(crate) const RECORD_HEADER: usize = 40;
/// Records begin at multiples of this.
pub(crate) const ALIGN: usize = 8;

const RECORD_VERSION: u8 = 1;

/// What a segment says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    pub(crate) sequence: u64,
    pub(crate) salt: u32,
}

/// Why bytes are not a segment header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HeaderProblem {
    /// Too short, wrong magic or wrong checksum.
    Damaged,
    /// Written by another version.
    Version(u32),
}

/// What a record does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The entry `index` of the group.
    Entry = 1,
    /// Drops the group's entries from `index` on.
    Truncate = 2,
    /// Drops the group's entries up to and with `index`.
    Purge = 3,
    /// Replaces the group's state value whose key is `index`.
    State = 4,
    /// Nothing; says that all before it is durable. Written at an orderly stop.
    Mark = 5,
}

impl Kind {
    fn of(byte: u8) -> Option<Self> {
        [Self::Entry, Self::Truncate, Self::Purge, Self::State, Self::Mark]
            .into_iter()
            .find(|kind| *kind as u8 == byte)
    }
}

/// A record without its payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RecordHeader {
    pub(crate) kind: Kind,
    pub(crate) group: GroupId,
    pub(crate) index: u64,
    pub(crate) payload_len: u32,
    pub(crate) payload_crc: u32,
    /// Bytes of this segment that were durable when the record was written.
    pub(crate) synced: u32,
}

impl SegmentHeader {
    pub(crate) fn encode(self) -> [u8; SEGMENT_HEADER] {
        let mut out = [0; SEGMENT_HEADER];
        out[..8].copy_from_slice(&MAGIC);
        out[8..12].copy_from_slice(&VERSION.to_le_bytes());
        out[12..16].copy_from_slice(&self.salt.to_le_bytes());
        out[16..24].copy_from_slice(&self.sequence.to_le_bytes());
        let crc = crc32c::crc32c(&out[..28]);
        out[28..].copy_from_slice(&crc.to_le_bytes());
        out
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, HeaderProblem> {
        let header: &[u8; SEGMENT_HEADER] = bytes.first_chunk().ok_or(HeaderProblem::Damaged)?;
        if header[..8] != MAGIC || crc32c::crc32c(&header[..28]) != u32_at(header, 28) {
            return Err(HeaderProblem::Damaged);
        }
        let version = u32_at(header, 8);
        if version != VERSION {
            return Err(HeaderProblem::Version(version));
        }
        Ok(Self { sequence: u64_at(header, 16), salt: u32_at(header, 12) })
    }
}

impl RecordHeader {
    pub(crate) fn encode(self, salt: u32) -> [u8; RECORD_HEADER] {
        let mut out = [0; RECORD_HEADER];
        out[4..8].copy_from_slice(&self.payload_crc.to_le_bytes());
        out[8..12].copy_from_slice(&self.payload_len.to_le_bytes());
        out[12..16].copy_from_slice(&self.synced.to_le_bytes());
        out[16] = RECORD_VERSION;
        out[17] = self.kind as u8;
        out[24..32].copy_from_slice(&self.group.to_le_bytes());
        out[32..40].copy_from_slice(&self.index.to_le_bytes());
        let crc = crc32c::crc32c_append(salt, &out[4..]);
        out[..4].copy_from_slice(&crc.to_le_bytes());
        out
    }

    /// The header at the front of `bytes`, or nothing when there is none.
    pub(crate) fn decode(bytes: &[u8], salt: u32) -> Option<Self> {
        let header: &[u8; RECORD_HEADER] = bytes.first_chunk()?;
        // The cheap checks first: repair looks for a header at every eighth byte.
        if header[16] != RECORD_VERSION || header[18..24] != [0; 6] {
            return None;
        }
        let kind = Kind::of(header[17])?;
        if crc32c::crc32c_append(salt, &header[4..]) != u32_at(header, 0) {
            return None;
        }
        Some(Self {
            kind,
            group: u64_at(header, 24),
            index: u64_at(header, 32),
            payload_len: u32_at(header, 8),
            payload_crc: u32_at(header, 4),
            synced: u32_at(header, 12),
        })
    }

    /// Bytes of the whole record, with its padding.
    pub(crate) fn record_len(&self) -> u64 {
        record_len(self.payload_len as usize) as u64
    }
}

/// Bytes of a record with a payload of `payload` bytes, with its padding.
pub(crate) fn record_len(payload: usize) -> usize {
    RECORD_HEADER + payload.next_multiple_of(ALIGN)
}

fn u32_at<const N: usize>(bytes: &[u8; N], at: usize) -> u32 {
    bytes[at..].first_chunk().map_or(0, |four| u32::from_le_bytes(*four))
}

fn u64_at<const N: usize>(bytes: &[u8; N], at: usize) -> u64 {
    bytes[at..].first_chunk().map_or(0, |eight| u64::from_le_bytes(*eight))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> RecordHeader {
        RecordHeader { kind: Kind::State, group: 7, index: 3, payload_len: 5, payload_crc: 9, synced: 4096 }
    }

    #[test]
    fn headers_read_back() {
        let segment = SegmentHeader { sequence: 12, salt: 99 };
        assert_eq!(SegmentHeader::decode(&segment.encode()), Ok(segment));
        assert_eq!(RecordHeader::decode(&header().encode(1), 1), Some(header()));
        assert_eq!(header().record_len(), 48);
    }

    #[test]
    fn a_header_of_another_segment_or_with_a_flipped_bit_is_none() {
        let bytes = header().encode(1);
        assert_eq!(RecordHeader::decode(&bytes, 2), None);
        for bit in 0..RECORD_HEADER * 8 {
            let mut bad = bytes;
            bad[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(RecordHeader::decode(&bad, 1), None, "bit {bit}");
        }
        assert_eq!(RecordHeader::decode(&[0; RECORD_HEADER], 1), None);
        assert_eq!(RecordHeader::decode(&bytes[..39], 1), None);
    }

    #[test]
    fn a_newer_version_is_named() {
        let mut bytes = SegmentHeader { sequence: 1, salt: 1 }.encode();
        bytes[8] = 2;
        let crc = crc32c::crc32c(&bytes[..28]);
        bytes[28..].copy_from_slice(&crc.to_le_bytes());
        assert_eq!(SegmentHeader::decode(&bytes), Err(HeaderProblem::Version(2)));
    }
}
