//! A block as the catalog carries it.

use latewood_block::BlockMeta;
use latewood_catalog::{BlockEntry, FileEntry};

/// The entry of a block whose `meta.json` has so many bytes; it is named beside the files that it lists.
#[must_use]
pub fn block_entry(meta: &BlockMeta, meta_bytes: u64) -> BlockEntry {
    // A block without samples is about the window that it was made for.
    let range = if meta.range.is_empty() { meta.window.unwrap_or(meta.range) } else { meta.range };
    let mut entry = BlockEntry::new(meta.id, meta.resolution, range);
    entry.series = meta.series;
    entry.samples = meta.samples + meta.histograms;
    entry.histograms = (meta.histograms > 0).then_some(meta.histograms);
    entry.bytes = meta.bytes() + meta_bytes;
    entry.index_bytes = meta.file("index").map_or(0, |file| file.size);
    entry.format = meta.version;
    entry.shard = meta.shard;
    entry.generation = meta.generation;
    entry.lineage.clone_from(&meta.lineage);
    entry.level = meta.level;
    entry.deduplicated = meta.deduplicated;
    entry.replica_labels.clone_from(&meta.replica_labels);
    entry.window = meta.window;
    entry.tail = meta.tail;
    let files = meta.files.iter().map(|file| FileEntry {
        path: file.path.clone(),
        size: file.size,
        crc32c: Some(file.crc32c),
        footer_offset: None,
    });
    entry.files = files.collect();
    entry.files.push(FileEntry {
        path: BlockMeta::FILE.to_owned(),
        size: meta_bytes,
        crc32c: None,
        footer_offset: None,
    });
    entry
}
