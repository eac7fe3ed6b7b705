//! Reads entries by index, many at a time.

use std::io;
use std::ops::Range;

use bytes::Bytes;

use crate::GroupId;
use crate::error::WalError;
use crate::files::read_full;
use crate::format::RECORD_HEADER;
use crate::recover::segment_name;
use crate::runs::Location;
use crate::writer::Shared;

/// Records of other groups in between are read along up to this many bytes.
const MAX_GAP: u64 = 256 << 10;
/// One read is no larger than this, unless one record is.
const MAX_SPAN: u64 = 4 << 20;
/// A segment can go away between the look-up and the read, when its entries were moved.
const TRIES: usize = 3;

/// Entries of a group in a range, ascending, until their payloads exceed `max_bytes`; at least one when
/// there is one. Entries that are not there are left out.
pub(crate) fn read(
    shared: &Shared,
    group: GroupId,
    range: &Range<u64>,
    max_bytes: usize,
) -> Result<Vec<(u64, Bytes)>, WalError> {
    for _ in 0..TRIES {
        let locations = shared.index.read().locations(group, range.clone(), max_bytes);
        match read_all(shared, &locations) {
            Err(WalError::Io { io_kind: io::ErrorKind::NotFound, .. }) => {}
            result => return result,
        }
    }
    // Purged while we were reading.
    Ok(Vec::new())
}

fn read_all(shared: &Shared, mut rest: &[(u64, Location)]) -> Result<Vec<(u64, Bytes)>, WalError> {
    let mut out = Vec::with_capacity(rest.len());
    while let Some((_, first)) = rest.first() {
        let together = span(rest, *first);
        let (now, later) = rest.split_at(together);
        read_span(shared, now, &mut out)?;
        rest = later;
    }
    Ok(out)
}

fn end_of(at: Location) -> u64 {
    u64::from(at.offset) + at.record_len()
}

/// How many of the first locations are read with one call.
fn span(locations: &[(u64, Location)], first: Location) -> usize {
    let mut end = end_of(first);
    let more = locations.iter().skip(1).take_while(|(_, next)| {
        let offset = u64::from(next.offset);
        let near = next.segment == first.segment && offset >= end && offset - end <= MAX_GAP;
        let fits = near && end_of(*next) - u64::from(first.offset) <= MAX_SPAN;
        end = end_of(*next);
        fits
    });
    1 + more.count()
}

fn read_span(
    shared: &Shared,
    locations: &[(u64, Location)],
    out: &mut Vec<(u64, Bytes)>,
) -> Result<(), WalError> {
    let (Some((_, first)), Some((_, last))) = (locations.first(), locations.last()) else {
        return Ok(());
    };
    let name = segment_name(first.segment);
    let path = shared.files.path(&name);
    let failed = |error: io::Error| WalError::io("read", &path, &error);
    let file = shared.files.open(&name).map_err(failed)?;
    let start = u64::from(first.offset);
    let mut chunk = vec![0; usize::try_from(end_of(*last) - start).unwrap_or(0)];
    let read = read_full(&*file, start, &mut chunk).map_err(failed)?;
    chunk.truncate(read);
    let chunk = Bytes::from(chunk);
    for (index, at) in locations {
        let from = usize::try_from(u64::from(at.offset) - start).unwrap_or(usize::MAX);
        let payload = payload(&chunk, from, at.len as usize).ok_or_else(|| WalError::Corrupt {
            path: path.clone(),
            offset: u64::from(at.offset),
            problem: "an entry that was valid when the journal was opened does not match its checksum now"
                .to_owned(),
        })?;
        out.push((*index, payload));
    }
    Ok(())
}

fn payload(chunk: &Bytes, from: usize, len: usize) -> Option<Bytes> {
    let record = chunk.get(from..)?;
    let crc = u32::from_le_bytes(*record.get(4..)?.first_chunk()?);
    let payload = record.get(RECORD_HEADER..RECORD_HEADER + len)?;
    (crc32c::crc32c(payload) == crc).then(|| chunk.slice_ref(payload))
}
