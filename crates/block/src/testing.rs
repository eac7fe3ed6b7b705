//! For tests and fuzzers: checksums that match again after damage, so that nothing but the decoders is left
//! to notice it.

use bytes::Bytes;

use crate::index::{self, IndexEntry, page_ranges, parse_tail, tail_start};
use crate::schema::INDEX;
use crate::{BlockError, BlockMeta};

/// The files of a block: path and content.
pub type Files = Vec<(String, Vec<u8>)>;

/// Makes sizes and checksums in `index` and `meta.json` those of the other files, as far as these are still
/// such that they have any: what does not parse is left as it is.
pub fn reseal(files: &mut Files) {
    let entries = find(files, INDEX).and_then(|old| mended_index(old, files));
    if let Some(entries) = entries {
        replace(files, INDEX, index::encode(&entries));
    } else if let Some(body) = files.iter_mut().find(|file| file.0 == INDEX).map(|file| &mut file.1) {
        let length = body.len().saturating_sub(4);
        body.truncate(length);
        body.extend(crc32c::crc32c(body).to_le_bytes());
    }
    if let Some(json) = find(files, BlockMeta::FILE).and_then(|old| mended_meta(old, files).ok()) {
        replace(files, BlockMeta::FILE, json);
    }
}

fn find<'a>(files: &'a Files, path: &str) -> Option<&'a [u8]> {
    files.iter().find(|file| file.0 == path).map(|file| file.1.as_slice())
}

fn replace(files: &mut Files, path: &str, body: Vec<u8>) {
    if let Some(file) = files.iter_mut().find(|file| file.0 == path) {
        file.1 = body;
    }
}

/// `None` when the index itself is what was damaged.
fn mended_index(old: &[u8], files: &Files) -> Option<Vec<IndexEntry>> {
    let old = index::decode(&Bytes::copy_from_slice(old)).ok()?;
    let mended = old.into_iter().map(|entry| {
        let body = find(files, &entry.path).and_then(|body| entry_of(&entry.path, body).ok());
        body.unwrap_or(entry)
    });
    Some(mended.collect())
}

/// The index entry that a writer would make of a file.
fn entry_of(path: &str, body: &[u8]) -> Result<IndexEntry, BlockError> {
    let (body, size) = (Bytes::copy_from_slice(body), body.len() as u64);
    let metadata = parse_tail(path, &body, size)?;
    let tail = body.slice(tail_start(&metadata, size) as usize..);
    let page = |page: &index::Page| body.get(page.bytes.start as usize..page.bytes.end as usize);
    let pages = page_ranges(path, &metadata, size)?;
    let pages = pages.iter().map(|at| crc32c::crc32c(page(at).unwrap_or_default())).collect();
    Ok(IndexEntry { path: path.to_owned(), size, tail, pages })
}

fn mended_meta(old: &[u8], files: &Files) -> Result<Vec<u8>, BlockError> {
    let parsed = serde_json::from_slice::<BlockMeta>(old);
    let mut meta = parsed.map_err(|error| BlockError::corrupt(BlockMeta::FILE, error))?;
    for file in &mut meta.files {
        if let Some(body) = find(files, &file.path) {
            (file.size, file.crc32c) = (body.len() as u64, crc32c::crc32c(body));
        }
    }
    meta.to_json()
}
