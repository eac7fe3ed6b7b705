//! Damage of every sort: an error that names the file, or the same answer. Never a panic, never other samples.

use std::path::Path;

use latewood_tsdb::TsdbError;

use crate::{golden, texts};

const FILES: [&str; 4] = ["meta.json", "index", "tombstones", "chunks/000001"];

fn copy(to: &Path) {
    std::fs::create_dir(to.join("chunks")).unwrap();
    for file in FILES {
        std::fs::copy(golden("block").join(file), to.join(file)).unwrap();
    }
}

/// Reads the block with other bytes in one of its files.
fn read_with(block: &Path, file: &str, bytes: &[u8], whole: &[String]) -> Option<TsdbError> {
    // Some file systems bring a file to the disk at once if it is written over.
    std::fs::remove_file(block.join(file)).unwrap();
    std::fs::write(block.join(file), bytes).unwrap();
    match texts(block) {
        Ok(found) => {
            assert!(found == whole, "{file}: other samples were read from damaged bytes");
            None
        }
        Err(error) => {
            assert!(error.to_string().contains(file), "{error} does not name {file}");
            Some(error)
        }
    }
}

fn damaged(file: &str, change: impl Fn(&[u8]) -> Vec<Vec<u8>>) -> (usize, usize) {
    let folder = tempfile::tempdir().unwrap();
    copy(folder.path());
    let whole = texts(folder.path()).unwrap();
    let bytes = std::fs::read(folder.path().join(file)).unwrap();
    let changed = change(&bytes);
    let found =
        changed.iter().filter(|bytes| read_with(folder.path(), file, bytes, &whole).is_some()).count();
    (found, changed.len())
}

/// Every bit; of a large file one of each byte.
fn flipped(bytes: &[u8]) -> Vec<Vec<u8>> {
    let bits = (0..bytes.len()).flat_map(|at| (0..8).map(move |bit| (at, bit)));
    let bits = bits.filter(|(at, bit)| bytes.len() < 1_500 || at % 8 == usize::from(*bit));
    let flip = |(at, bit): (usize, u8)| {
        let mut bytes = bytes.to_vec();
        bytes[at] ^= 1 << bit;
        bytes
    };
    bits.map(flip).collect()
}

fn truncated(bytes: &[u8]) -> Vec<Vec<u8>> {
    (0..bytes.len()).map(|end| bytes[..end].to_vec()).collect()
}

#[test]
fn every_flipped_bit_is_found_or_of_no_account() {
    for file in FILES {
        let (found, of) = damaged(file, flipped);
        eprintln!("{file}: {found} of {of} flipped bits were found");
        // What is not read: texts of meta.json; padding, and the lists of other labels than the metric's name; chunks that
        // were deleted whole.
        let least = if ["meta.json", "index"].contains(&file) { of / 2 } else { of * 4 / 5 };
        assert!(found >= least, "{file}: only {found} of {of} were found");
    }
}

#[test]
fn every_truncation_is_found() {
    for file in FILES {
        let (found, of) = damaged(file, truncated);
        // The last byte of meta.json may be a line's end.
        assert!(found + usize::from(file == "meta.json") >= of, "{file}: {found} of {of} were found");
    }
}

#[test]
fn a_missing_file_is_named_but_tombstones_need_not_be() {
    let folder = tempfile::tempdir().unwrap();
    copy(folder.path());
    let whole = texts(folder.path()).unwrap();
    for file in ["meta.json", "index", "chunks/000001"] {
        let path = folder.path().join(file);
        let bytes = std::fs::read(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        let error = texts(folder.path()).unwrap_err();
        let is_named = match error {
            TsdbError::Missing { ref path } => path.ends_with(file),
            // The index says that a chunk is in a file that is not there.
            TsdbError::Corrupt { ref path, .. } => path.ends_with("index"),
            _ => false,
        };
        assert!(is_named, "{file}: {error}");
        std::fs::write(&path, bytes).unwrap();
    }
    std::fs::remove_file(folder.path().join("tombstones")).unwrap();
    assert!(texts(folder.path()).unwrap().len() > whole.len(), "what was deleted is there again");
}
