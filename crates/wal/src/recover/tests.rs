//! The golden segment, and what becomes of damaged ones.

use std::path::Path;

use latewood_base::{Clock, ErrorKind, Kinded, Rng};
use prometheus_client::registry::Registry;

use super::*;
use crate::record::Record;
use crate::testing::MemoryFiles;
use crate::{Bounds, Journal, WalConfig};

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/journal-v1.seg");
const FIRST: &str = "0000000001.seg";

fn try_open(files: &MemoryFiles) -> Result<(Journal, Recovered), WalError> {
    let (config, clock) = (WalConfig { segment_bytes: 4096, ..WalConfig::default() }, Clock::manual(0).0);
    Journal::open_on(files.mount(), config, &Rng::seeded(1), &clock, &mut Registry::default())
}

/// Appends that the golden segment holds, one after another.
fn golden_appends() -> Vec<Vec<Record>> {
    let text = |text: &'static str| Bytes::from_static(text.as_bytes());
    vec![
        vec![Record::state(1, 1, text("vote")), Record::entry(1, 0, text("zero"))],
        vec![
            Record::entry(1, 1, text("one")),
            Record::entry(2, 7, text("")),
            Record::entry(1, 2, text("two")),
        ],
        vec![Record::truncate(1, 2), Record::entry_of(1, 2, text("two "), text("again, and longer"))],
        vec![Record::purge(1, 0), Record::state(1, 1, text("later vote"))],
    ]
}

/// A disk with a journal that was begun with a fixed salt.
fn begun() -> MemoryFiles {
    let files = MemoryFiles::new();
    files.set_content(FIRST, SegmentHeader { sequence: 1, salt: 0x5eed_0001 }.encode().to_vec());
    files
}

async fn write_golden() -> MemoryFiles {
    let files = begun();
    let (journal, _) = try_open(&files).unwrap();
    for append in golden_appends() {
        journal.append(append).await.unwrap();
    }
    journal.close();
    files
}

/// With `LATEWOOD_WRITE_GOLDEN` set the file is written: for a new version of the format.
#[tokio::test]
async fn the_newest_version_is_written_bit_for_bit() {
    let written = write_golden().await.content(FIRST).unwrap();
    if std::env::var_os("LATEWOOD_WRITE_GOLDEN").is_some() {
        std::fs::write(GOLDEN, &written).unwrap();
    }
    assert_eq!(written, std::fs::read(GOLDEN).unwrap());
}

#[test]
fn version_1_is_read() {
    let files = MemoryFiles::new();
    files.set_content(FIRST, std::fs::read(GOLDEN).unwrap());
    let (journal, found) = try_open(&files).unwrap();
    assert_eq!(found, Recovered { segments: 1, records: 10, bytes: 472, repaired_bytes: 0 });
    assert_eq!(journal.bounds(1), Bounds { first: Some(1), last: Some(2), purged: Some(0) });
    let (one, two) = (Bytes::from_static(b"one"), Bytes::from_static(b"two again, and longer"));
    assert_eq!(journal.read(1, 0..9, 999).unwrap(), [(1, one), (2, two)]);
    assert_eq!(journal.read(2, 0..9, 999).unwrap(), [(7, Bytes::new())]);
    assert_eq!(journal.state(1, 1), Some(Bytes::from_static(b"later vote")));
}

#[tokio::test]
async fn any_flipped_bit_before_the_last_mark_is_refused_with_its_place() {
    let files = write_golden().await;
    let good = files.content(FIRST).unwrap();
    let mark = good.len() - crate::format::RECORD_HEADER;
    for byte in 0..mark {
        let mut bad = good.clone();
        bad[byte] ^= 1 << (byte % 8);
        files.set_content(FIRST, bad.clone());
        match try_open(&files) {
            Err(error @ WalError::Corrupt { .. }) => {
                assert_eq!(error.kind(), ErrorKind::Corrupt);
                assert!(error.to_string().contains(FIRST), "{error}");
                assert_eq!(files.content(FIRST), Some(bad), "what is refused is left as it is");
            }
            // The padding after a payload is not covered, and says nothing.
            Ok(_) => assert_eq!(good[byte], 0, "byte {byte}"),
            Err(other) => panic!("byte {byte}: {other}"),
        }
    }
}

#[tokio::test]
async fn a_file_cut_anywhere_opens_with_the_records_before_the_cut() {
    let files = write_golden().await;
    let good = files.content(FIRST).unwrap();
    let mut last = 0;
    for cut in SEGMENT_HEADER..good.len() {
        for zeros in [0, 64] {
            let mut torn = good[..cut].to_vec();
            torn.resize(cut + zeros, 0);
            files.set_content(FIRST, torn);
            let (journal, found) = try_open(&files).unwrap();
            // Zeros can stand for a record's last bytes when those were zeros.
            let most = if zeros == 0 { 9 } else { 10 };
            assert!(found.records >= last && found.records <= most, "cut at {cut}: {found:?}");
            if zeros == 0 {
                last = found.records;
            }
            journal.append(vec![Record::entry(5, 0, Bytes::from_static(b"goes on"))]).await.unwrap();
            drop(journal);
            let (journal, found) = try_open(&files).unwrap();
            assert_eq!((journal.read(5, 0..9, 9).unwrap().len(), found.repaired_bytes), (1, 0));
        }
    }
    assert_eq!(last, 9);
}

/// A batch is one write; of its sectors any may be lost when the machine stops.
#[tokio::test]
async fn a_hole_in_the_last_unsynced_write_is_torn_and_one_before_it_is_damage() {
    let files = begun();
    let (journal, _) = try_open(&files).unwrap();
    let records = |from: u64| {
        (from..from + 3).map(|index| Record::entry(1, index, Bytes::from(vec![7; 100]))).collect()
    };
    journal.append(records(0)).await.unwrap();
    let synced = files.content(FIRST).unwrap().len();
    journal.append(records(3)).await.unwrap();
    let good = files.content(FIRST).unwrap();
    drop(journal);
    let hole_at = |at: usize| {
        let mut bad = good.clone();
        bad[at..at + 50].fill(0);
        files.set_content(FIRST, bad);
        try_open(&files)
    };
    let (journal, found) = hole_at(synced + 10).unwrap();
    // Zeros at the end, here the padding, are not counted.
    assert_eq!((journal.bounds(1).last, found.repaired_bytes), (Some(2), (good.len() - synced - 4) as u64));
    drop(journal);
    assert!(matches!(hole_at(synced - 60), Err(WalError::Corrupt { .. })));
}

#[tokio::test]
async fn segments_that_are_missing_renamed_or_damaged_are_refused() {
    let files = MemoryFiles::new();
    let (journal, _) = try_open(&files).unwrap();
    for index in 0..30 {
        journal.append(vec![Record::entry(1, index, Bytes::from(vec![3; 500]))]).await.unwrap();
    }
    drop(journal);
    let (names, copy) = (files.sizes(), |name: &str| files.content(name).unwrap());
    assert!(names.len() >= 4);
    let second = "0000000002.seg";
    let original = copy(second);

    // Damage in an older segment is never a torn tail.
    for cut in [original.len() - 1, 20, 0] {
        files.set_content(second, original[..cut].to_vec());
        let error = try_open(&files).unwrap_err();
        assert!(matches!(&error, WalError::Corrupt { path, .. } if path.ends_with(second)), "{error}");
    }
    files.set_content(second, copy(FIRST));
    assert!(try_open(&files).unwrap_err().to_string().contains("renamed"));
    files.mount().remove(second).unwrap();
    assert!(try_open(&files).unwrap_err().to_string().contains("the segment is missing"));
    files.set_content(second, original);
    assert_eq!(try_open(&files).unwrap().0.bounds(1).last, Some(29));
}

#[test]
fn a_segment_whose_creation_was_interrupted_is_removed() {
    let header = SegmentHeader { sequence: 2, salt: 1 }.encode();
    for content in [vec![], header[..17].to_vec(), vec![0; 4096]] {
        let files = begun();
        files.set_content("0000000002.seg", content);
        drop(try_open(&files).unwrap());
        assert_eq!(files.sizes().keys().collect::<Vec<_>>(), [FIRST]);
    }
    let mut newer = header;
    newer[8] = 9;
    let crc = crc32c::crc32c(&newer[..28]);
    newer[28..].copy_from_slice(&crc.to_le_bytes());
    let files = begun();
    files.set_content("0000000002.seg", newer.to_vec());
    assert!(matches!(try_open(&files), Err(WalError::Version { found: 9, known: VERSION, .. })));
}

#[test]
fn other_files_in_the_directory_are_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["notes.txt", "1.seg", "0000000001.seg.bak"] {
        std::fs::write(dir.path().join(name), b"mine").unwrap();
    }
    let open = |dir: &Path| {
        let opened = Journal::open(
            dir,
            WalConfig::default(),
            &Rng::seeded(1),
            &Clock::system(),
            &mut Registry::default(),
        );
        opened.unwrap().1
    };
    assert_eq!(open(dir.path()), Recovered::default());
    assert_eq!(open(dir.path()).segments, 1);
    assert_eq!(std::fs::read(dir.path().join("1.seg")).unwrap(), b"mine");
}
