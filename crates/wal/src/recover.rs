//! Opening a journal: reads all segments, repairs a torn tail, refuses damage.

use std::sync::Arc;

use bytes::Bytes;

use crate::error::WalError;
use crate::files::{Files, SegmentFile, read_full};
use crate::format::{HeaderProblem, SEGMENT_HEADER, SegmentHeader, VERSION};
use crate::index::Index;
use crate::scan::{Scan, Step};

/// What opening a journal found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Segments that were there.
    pub segments: usize,
    /// Valid records that were read.
    pub records: u64,
    /// Their size in bytes.
    pub bytes: u64,
    /// Bytes of a torn tail that were cut off: nothing in them had been acknowledged.
    pub repaired_bytes: u64,
}

/// The segment that appends go to.
#[derive(Debug)]
pub(crate) struct Active {
    pub(crate) sequence: u32,
    pub(crate) salt: u32,
    pub(crate) file: Arc<dyn SegmentFile>,
    /// Where the next record goes.
    pub(crate) end: u64,
    /// How much is durable.
    pub(crate) synced: u64,
}

/// What replay leaves behind.
#[derive(Debug)]
pub(crate) struct Replayed {
    pub(crate) index: Index,
    pub(crate) active: Option<Active>,
    pub(crate) found: Recovered,
}

/// The name of a segment's file.
pub(crate) fn segment_name(sequence: u32) -> String {
    format!("{sequence:010}.seg")
}

fn sequence_of(name: &str) -> Option<u32> {
    let digits = name.strip_suffix(".seg")?;
    (digits.len() == 10).then(|| digits.parse().ok())?
}

/// Reads everything. Afterwards all that was read is durable.
pub(crate) fn replay(files: &dyn Files) -> Result<Replayed, WalError> {
    let names = files.list().map_err(|error| WalError::io("list", files.path(""), &error))?;
    let mut sequences: Vec<u32> = names.iter().filter_map(|name| sequence_of(name)).collect();
    sequences.sort_unstable();
    check_none_missing(files, &sequences)?;
    let mut replayed = Replayed {
        index: Index::default(),
        active: None,
        found: Recovered { segments: sequences.len(), ..Recovered::default() },
    };
    for (at, sequence) in sequences.iter().enumerate() {
        let is_last = at + 1 == sequences.len();
        if let Some(active) = replay_segment(files, *sequence, is_last, &mut replayed)? {
            replayed.active = Some(active);
        }
    }
    settle(files, &replayed)?;
    Ok(replayed)
}

/// A process that was killed leaves records in the page cache: they are valid, and made durable now,
/// before anything relies on them.
fn settle(files: &dyn Files, replayed: &Replayed) -> Result<(), WalError> {
    if let Some(active) = &replayed.active {
        let name = segment_name(active.sequence);
        active.file.sync().map_err(|error| WalError::io("sync", files.path(&name), &error))?;
    }
    files.sync_directory().map_err(|error| WalError::io("sync", files.path(""), &error))
}

/// Segments are deleted oldest first, so a hole among them is a loss.
fn check_none_missing(files: &dyn Files, sequences: &[u32]) -> Result<(), WalError> {
    let hole = sequences.windows(2).find(|pair| pair[1] != pair[0] + 1);
    let Some(pair) = hole else { return Ok(()) };
    let (missing, next) = (segment_name(pair[0] + 1), segment_name(pair[1]));
    let problem = format!("the segment is missing, but {next} is there");
    Err(WalError::Corrupt { path: files.path(&missing), offset: 0, problem })
}

/// Reads one segment. `None` when it was being created as the machine stopped, and was removed.
fn replay_segment(
    files: &dyn Files,
    sequence: u32,
    is_last: bool,
    into: &mut Replayed,
) -> Result<Option<Active>, WalError> {
    let name = segment_name(sequence);
    let path = files.path(&name);
    let io = |action| {
        let path = path.clone();
        move |error: std::io::Error| WalError::io(action, path, &error)
    };
    let file = files.open(&name).map_err(io("open"))?;
    let Some(header) = read_header(files, &*file, sequence, is_last)? else {
        tracing::warn!(file = %path.display(), "removed a journal segment whose creation was interrupted");
        into.found.repaired_bytes += file.len().map_err(io("read"))?;
        drop(file);
        files.remove(&name).map_err(io("remove"))?;
        return Ok(None);
    };
    into.index.add_segment(sequence, SEGMENT_HEADER as u64);
    let mut scan = Scan::new(&*file, header.salt).map_err(io("read"))?;
    let mut end = SEGMENT_HEADER as u64;
    let bad = loop {
        match scan.step().map_err(io("read"))? {
            Step::Record(record, at, payload) => {
                let offset = u32::try_from(at).unwrap_or(u32::MAX);
                into.index.take(&record, sequence, offset, || Bytes::copy_from_slice(payload));
                end = at + record.record_len();
                into.found.records += 1;
                into.found.bytes += record.record_len();
            }
            Step::End => break None,
            Step::Bad(at, problem) => break Some((at, problem)),
        }
    };
    if let Some((at, problem)) = bad {
        if !is_last || scan.was_durable(at).map_err(io("read"))? {
            return Err(WalError::Corrupt { path: path.clone(), offset: at, problem: problem.to_owned() });
        }
        cut(&*file, sequence, at, problem, into).map_err(io("truncate"))?;
    }
    into.index.set_segment_bytes(sequence, end);
    Ok(Some(Active { sequence, salt: header.salt, file, end, synced: end }))
}

/// Cuts off a torn tail. Space that was reserved and never written is no loss and not counted.
fn cut(
    file: &dyn SegmentFile,
    segment: u32,
    at: u64,
    problem: &str,
    into: &mut Replayed,
) -> std::io::Result<()> {
    let lost = written_after(file, at)?;
    file.truncate(at)?;
    if lost > 0 {
        into.found.repaired_bytes += lost;
        tracing::warn!(
            segment,
            at,
            lost,
            problem,
            "cut off the torn tail of the journal: none of it had been acknowledged"
        );
    }
    Ok(())
}

/// Bytes from `at` to the last one that is not zero.
fn written_after(file: &dyn SegmentFile, at: u64) -> std::io::Result<u64> {
    let mut chunk = vec![0; 1 << 20];
    let (mut offset, mut last) = (at, at);
    loop {
        let read = read_full(file, offset, &mut chunk)?;
        if let Some(found) = chunk.iter().take(read).rposition(|byte| *byte != 0) {
            last = offset + found as u64 + 1;
        }
        offset += read as u64;
        if read < chunk.len() {
            return Ok(last - at);
        }
    }
}

/// Reads a segment's header. `None` when the segment is the last and holds nothing: its header is made
/// durable before its first record is written.
fn read_header(
    files: &dyn Files,
    file: &dyn SegmentFile,
    sequence: u32,
    is_last: bool,
) -> Result<Option<SegmentHeader>, WalError> {
    let path = files.path(&segment_name(sequence));
    let io = |error: std::io::Error| WalError::io("read", path.clone(), &error);
    let mut bytes = [0; SEGMENT_HEADER];
    read_full(file, 0, &mut bytes).map_err(io)?;
    let damaged = |problem: String| WalError::Corrupt { path: path.clone(), offset: 0, problem };
    match SegmentHeader::decode(&bytes) {
        Ok(header) if header.sequence == u64::from(sequence) => Ok(Some(header)),
        Ok(header) => Err(damaged(format!("the file holds segment {}: it was renamed", header.sequence))),
        Err(HeaderProblem::Version(found)) => Err(WalError::Version { path, found, known: VERSION }),
        Err(HeaderProblem::Damaged) => {
            if is_last && written_after(file, SEGMENT_HEADER as u64).map_err(io)? == 0 {
                Ok(None)
            } else {
                Err(damaged("the segment's header is damaged".to_owned()))
            }
        }
    }
}

#[cfg(test)]
mod tests;
