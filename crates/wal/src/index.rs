//! What the journal holds, in memory: locations of entries, purge points, state values, and how much
//! of each segment is still needed.

use std::collections::BTreeMap;
use std::ops::Range;

use bytes::Bytes;

use crate::GroupId;
use crate::format::{Kind, RecordHeader};
use crate::record::Record;
use crate::runs::{Location, Runs};

/// The entries that a group has in the journal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bounds {
    /// The lowest entry that is there.
    pub first: Option<u64>,
    /// The highest entry that is there.
    pub last: Option<u64>,
    /// Entries up to and with this one were purged.
    pub purged: Option<u64>,
}

/// How a segment is used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SegmentUse {
    /// Its size in bytes.
    pub(crate) bytes: u64,
    /// Bytes of records of entries that are still needed.
    pub(crate) live: u64,
}

#[derive(Debug, Default)]
struct GroupIndex {
    runs: Runs,
    purged: Option<u64>,
}

/// The journal's index. Built by replay and kept up to date by the writer.
#[derive(Debug, Default)]
pub(crate) struct Index {
    groups: BTreeMap<GroupId, GroupIndex>,
    states: BTreeMap<(GroupId, u64), Bytes>,
    segments: BTreeMap<u32, SegmentUse>,
}

impl Index {
    pub(crate) fn add_segment(&mut self, sequence: u32, bytes: u64) {
        self.segments.insert(sequence, SegmentUse { bytes, live: 0 });
    }

    pub(crate) fn set_segment_bytes(&mut self, sequence: u32, bytes: u64) {
        self.segments.entry(sequence).or_default().bytes = bytes;
    }

    pub(crate) fn remove_segment(&mut self, sequence: u32) {
        self.segments.remove(&sequence);
    }

    /// The segments in order.
    pub(crate) fn segments(&self) -> impl DoubleEndedIterator<Item = (u32, SegmentUse)> + '_ {
        self.segments.iter().map(|(sequence, used)| (*sequence, *used))
    }

    /// Takes a record that is at `offset` of a segment. `payload` is looked at for state values only.
    pub(crate) fn take(
        &mut self,
        record: &RecordHeader,
        segment: u32,
        offset: u32,
        payload: impl FnOnce() -> Bytes,
    ) {
        match record.kind {
            Kind::Entry => {
                let location = Location { segment, offset, len: record.payload_len };
                self.put(record.group, record.index, location);
            }
            Kind::Truncate => self.drop_entries(record.group, |group, gone| {
                group.runs.truncate(record.index, gone);
            }),
            Kind::Purge => self.drop_entries(record.group, |group, gone| {
                group.runs.purge(record.index, gone);
                group.purged = group.purged.max(Some(record.index));
            }),
            Kind::State => {
                self.states.insert((record.group, record.index), payload());
            }
            Kind::Mark => {}
        }
    }

    fn put(&mut self, group: GroupId, index: u64, location: Location) {
        let group = self.groups.entry(group).or_default();
        // A copy that was moved to a newer segment, and purged since.
        if group.purged.is_some_and(|purged| index <= purged) {
            return;
        }
        let replaced = group.runs.put(index, location);
        self.segments.entry(location.segment).or_default().live += location.record_len();
        if let Some(old) = replaced {
            release(&mut self.segments, old);
        }
    }

    fn drop_entries(&mut self, group: GroupId, work: impl FnOnce(&mut GroupIndex, &mut dyn FnMut(Location))) {
        let segments = &mut self.segments;
        work(self.groups.entry(group).or_default(), &mut |old| {
            release(segments, old);
        });
    }

    pub(crate) fn bounds(&self, group: GroupId) -> Bounds {
        self.groups.get(&group).map_or_else(Bounds::default, |group| Bounds {
            first: group.runs.first(),
            last: group.runs.last(),
            purged: group.purged,
        })
    }

    pub(crate) fn groups(&self) -> Vec<GroupId> {
        let mut all: Vec<_> = self.groups.keys().copied().collect();
        all.extend(self.states.keys().map(|(group, _)| *group));
        all.sort_unstable();
        all.dedup();
        all
    }

    pub(crate) fn state(&self, group: GroupId, key: u64) -> Option<Bytes> {
        self.states.get(&(group, key)).cloned()
    }

    /// Locations of a group's entries in a range, until their payloads exceed `max_bytes`; at least one.
    pub(crate) fn locations(
        &self,
        group: GroupId,
        range: Range<u64>,
        max_bytes: usize,
    ) -> Vec<(u64, Location)> {
        let Some(group) = self.groups.get(&group) else {
            return Vec::new();
        };
        let mut total = 0_usize;
        group
            .runs
            .range(range)
            .take_while(|(_, location)| {
                let first = total == 0;
                total = total.saturating_add(location.len as usize).max(1);
                first || total <= max_bytes
            })
            .collect()
    }

    /// The entries whose newest record is in a segment.
    pub(crate) fn live_in(&self, segment: u32) -> Vec<(GroupId, u64, Location)> {
        let of_group = |(id, group): (&GroupId, &GroupIndex)| {
            let id = *id;
            let inside = group.runs.range(0..u64::MAX).filter(move |(_, at)| at.segment == segment);
            inside.map(move |(index, at)| (id, index, at)).collect::<Vec<_>>()
        };
        self.groups.iter().flat_map(of_group).collect()
    }

    /// Everything but entries, as records: what a new segment begins with, so that older ones are
    /// needed for their entries alone.
    pub(crate) fn snapshot(&self) -> Vec<Record> {
        let purges = self.groups.iter().filter_map(|(id, group)| Some(Record::purge(*id, group.purged?)));
        let states =
            self.states.iter().map(|((group, key), value)| Record::state(*group, *key, value.clone()));
        purges.chain(states).collect()
    }
}

fn release(segments: &mut BTreeMap<u32, SegmentUse>, old: Location) {
    if let Some(used) = segments.get_mut(&old.segment) {
        used.live = used.live.saturating_sub(old.record_len());
    }
}
