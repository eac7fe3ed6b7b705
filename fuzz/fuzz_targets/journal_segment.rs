//! Whatever a segment holds, opening the journal ends without a panic: it is refused, or what it says can be
//! read, takes an append, and is still there after the next start, when nothing is left to repair.
//!
//! Mutated bytes never match a checksum, so those of headers and payloads are made to match in most runs.

#![no_main]

use bytes::Bytes;
use latewood_base::{Clock, Rng};
use latewood_wal::testing::{Loss, MemoryFiles};
use latewood_wal::{GroupId, Journal, Record, Recovered, WalConfig, WalError};
use libfuzzer_sys::fuzz_target;
use prometheus_client::registry::Registry;

const SEGMENT: &str = "0000000001.seg";
const SEGMENT_HEADER: usize = 32;
const RECORD_HEADER: usize = 40;
const SALT: u32 = 0x5eed_0001;

fuzz_target!(|bytes: &[u8]| {
    let Some((&mode, bytes)) = bytes.split_first() else { return };
    let segment = match mode % 4 {
        0 => bytes.to_vec(),
        1 => sealed(bytes, false),
        _ => sealed(bytes, true),
    };
    let files = MemoryFiles::new();
    files.set_content(SEGMENT, segment);
    let Ok((journal, _)) = open(&files) else { return };
    let before = content(&journal);
    let appended = futures::executor::block_on(journal.append(vec![Record::state(7, 7, Bytes::new())]));
    journal.close();
    drop(journal);
    files.crash(Loss::All, &Rng::seeded(1));
    let (journal, found) = open(&files).expect("a repaired journal opens");
    assert_eq!(found.repaired_bytes, 0, "it was repaired twice");
    if appended.is_ok() {
        assert_eq!(journal.state(7, 7), Some(Bytes::new()), "an acknowledged record is lost");
    }
    assert_eq!(content(&journal), before, "entries changed from one start to the next");
});

fn open(files: &MemoryFiles) -> Result<(Journal, Recovered), WalError> {
    let config = WalConfig { segment_bytes: 4096, ..WalConfig::default() };
    Journal::open_on(files.mount(), config, &Rng::seeded(1), &Clock::manual(0).0, &mut Registry::default())
}

/// All entries that can be read, by group.
fn content(journal: &Journal) -> Vec<(GroupId, Vec<(u64, Bytes)>)> {
    let mut groups = journal.groups();
    groups.retain(|&group| group != 7);
    let read = |group| journal.read(group, 0..u64::MAX, 1 << 20).expect("an entry of the index is read");
    groups.into_iter().map(|group| (group, read(group))).collect()
}

/// The bytes with checksums that match: in the segment's header, and along the records for as long as one
/// follows the other.
fn sealed(bytes: &[u8], records: bool) -> Vec<u8> {
    let mut out = bytes.to_vec();
    out.resize(out.len().max(SEGMENT_HEADER), 0);
    out[..12].copy_from_slice(b"LWJRNL\r\n\x01\0\0\0");
    out[12..16].copy_from_slice(&SALT.to_le_bytes());
    out[16..24].copy_from_slice(&1_u64.to_le_bytes());
    let crc = crc32c::crc32c(&out[..28]);
    out[28..32].copy_from_slice(&crc.to_le_bytes());
    let mut at = SEGMENT_HEADER;
    while records && at + RECORD_HEADER <= out.len() {
        at = seal_record(&mut out, at);
    }
    out
}

/// Seals the record at `at`; where the next one begins.
fn seal_record(out: &mut [u8], at: usize) -> usize {
    let length = u32::from_le_bytes(out[at + 8..at + 12].try_into().unwrap()) as usize;
    let payload = at + RECORD_HEADER;
    let crc = crc32c::crc32c(&out[payload.min(out.len())..(payload + length).min(out.len())]);
    out[at + 4..at + 8].copy_from_slice(&crc.to_le_bytes());
    out[at + 16] = 1;
    out[at + 17] = out[at + 17] % 5 + 1;
    out[at + 18..at + 24].fill(0);
    let crc = crc32c::crc32c_append(SALT, &out[at + 4..payload]);
    out[at..at + 4].copy_from_slice(&crc.to_le_bytes());
    payload + length.next_multiple_of(8)
}
