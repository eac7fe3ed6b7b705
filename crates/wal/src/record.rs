//! What is appended: records, and the batches that become durable together.

use bytes::Bytes;

use crate::GroupId;
use crate::format::{self, Kind, RecordHeader};

/// One record. Made by the constructors, which also compute the payload's checksum: on the caller's
/// thread, not on the one that all appends share.
#[derive(Clone, Debug)]
pub struct Record {
    kind: Kind,
    group: GroupId,
    index: u64,
    /// The payload's first bytes; its rest is `payload`.
    head: Bytes,
    payload: Bytes,
    payload_crc: u32,
}

impl Record {
    fn new(kind: Kind, group: GroupId, index: u64, head: Bytes, payload: Bytes) -> Self {
        let payload_crc = crc32c::crc32c_append(crc32c::crc32c(&head), &payload);
        Self { kind, group, index, head, payload, payload_crc }
    }

    /// The entry `index` of a group. An entry that is there already is replaced by the same entry only:
    /// a different one is preceded by [`Record::truncate`].
    #[must_use]
    pub fn entry(group: GroupId, index: u64, payload: Bytes) -> Self {
        Self::new(Kind::Entry, group, index, Bytes::new(), payload)
    }

    /// As [`Record::entry`], with a payload in two parts, so that a large one need not be copied to put a
    /// few bytes in front of it.
    #[must_use]
    pub fn entry_of(group: GroupId, index: u64, head: Bytes, rest: Bytes) -> Self {
        Self::new(Kind::Entry, group, index, head, rest)
    }

    /// Drops a group's entries from `from` on.
    #[must_use]
    pub fn truncate(group: GroupId, from: u64) -> Self {
        Self::new(Kind::Truncate, group, from, Bytes::new(), Bytes::new())
    }

    /// Drops a group's entries up to and with `upto`. Segments that hold nothing else are deleted.
    #[must_use]
    pub fn purge(group: GroupId, upto: u64) -> Self {
        Self::new(Kind::Purge, group, upto, Bytes::new(), Bytes::new())
    }

    /// Replaces a small value of a group: a vote, a checkpoint.
    #[must_use]
    pub fn state(group: GroupId, key: u64, value: Bytes) -> Self {
        Self::new(Kind::State, group, key, Bytes::new(), value)
    }

    pub(crate) fn mark() -> Self {
        Self::new(Kind::Mark, 0, 0, Bytes::new(), Bytes::new())
    }

    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    pub(crate) fn is_state(&self) -> bool {
        self.kind == Kind::State
    }

    pub(crate) fn group(&self) -> GroupId {
        self.group
    }

    pub(crate) fn index(&self) -> u64 {
        self.index
    }

    pub(crate) fn payload_len(&self) -> usize {
        self.head.len() + self.payload.len()
    }

    /// The value of a state record.
    pub(crate) fn value(&self) -> &Bytes {
        &self.payload
    }

    /// Bytes on disk.
    pub(crate) fn disk_len(&self) -> usize {
        format::record_len(self.payload_len())
    }

    /// Appends the record's bytes. The payload must be shorter than 4 GiB, which the limits see to.
    pub(crate) fn encode_into(&self, out: &mut Vec<u8>, salt: u32, synced: u64) {
        let header = RecordHeader {
            kind: self.kind,
            group: self.group,
            index: self.index,
            payload_len: u32::try_from(self.payload_len()).unwrap_or(u32::MAX),
            payload_crc: self.payload_crc,
            synced: u32::try_from(synced).unwrap_or(u32::MAX),
        };
        out.extend_from_slice(&header.encode(salt));
        out.extend_from_slice(&self.head);
        out.extend_from_slice(&self.payload);
        out.resize(out.len().next_multiple_of(format::ALIGN), 0);
    }
}
