//! Local files against what `meta.json` says of them.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use latewood_block::{BlockMeta, FileMeta};

use crate::BlockStoreError;

/// Bytes read at a time.
const CHUNK: usize = 256 << 10;

/// Reads all files of a block and compares sizes and checksums. Blocks: call it off the runtime.
///
/// # Errors
/// [`BlockStoreError::Damaged`] names the file that is not what was written.
pub fn verify_files(dir: &Path, meta: &BlockMeta) -> Result<(), BlockStoreError> {
    meta.files.iter().try_for_each(|file| verify_file(&dir.join(&file.path), file))
}

/// Reads a file and compares its size and checksum.
pub(crate) fn verify_file(path: &Path, written: &FileMeta) -> Result<(), BlockStoreError> {
    let mut chunk = vec![0; CHUNK];
    let damaged = |problem: String| BlockStoreError::Damaged { path: path.display().to_string(), problem };
    let failed = |error: std::io::Error| damaged(error.to_string());
    let mut file = File::open(path).map_err(failed)?;
    let (mut size, mut crc) = (0, 0);
    loop {
        let read = match file.read(&mut chunk) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(failed(error)),
        };
        crc = crc32c::crc32c_append(crc, chunk.get(..read).unwrap_or_default());
        size += read as u64;
    }
    if (size, crc) == (written.size, written.crc32c) {
        return Ok(());
    }
    let FileMeta { size: size_then, crc32c: crc_then, .. } = written;
    Err(damaged(format!(
        "{size} bytes with checksum {crc:08x}; {size_then} with {crc_then:08x} were written"
    )))
}
