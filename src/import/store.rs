//! A finished block to the bucket and into the tenant's catalog.

use std::path::Path;

use futures::stream::{StreamExt, TryStreamExt, iter};
use latewood_block::BlockMeta;
use latewood_catalog::{BlockEntry, Change, Conflict, FileEntry, TenantCatalog, block_folder};
use latewood_objstore::Bucket;

/// How many files are uploaded at once.
const AT_ONCE: usize = 4;

/// Uploads the files of a block, `meta.json` last, and commits it. One that is committed already is no error: another
/// import was faster.
pub async fn store(
    bucket: &Bucket,
    catalog: &TenantCatalog,
    folder: &Path,
    meta: &BlockMeta,
) -> anyhow::Result<()> {
    let target = block_folder(catalog.tenant(), meta.resolution, meta.id);
    let puts = meta.files.iter().map(|file| {
        let (key, path) = (format!("{target}/{}", file.path), folder.join(&file.path));
        async move { bucket.put_file(&key, &path).await }
    });
    let puts: Vec<_> = puts.collect();
    iter(puts).buffer_unordered(AT_ONCE).try_collect::<Vec<()>>().await?;
    let json = meta.to_json()?;
    let entry = entry(meta, json.len() as u64);
    bucket.put(&format!("{target}/{}", BlockMeta::FILE), json.into()).await?;
    match catalog.commit(Change { add: vec![entry], ..Change::default() }).await {
        Err(error) if matches!(error.conflict(), Some(Conflict::AlreadyAdded(_))) => Ok(()),
        done => Ok(done.map(drop)?),
    }
}

/// The block as the catalog carries it; `meta.json` is named beside the files that it lists.
fn entry(meta: &BlockMeta, meta_bytes: u64) -> BlockEntry {
    let mut entry = BlockEntry::new(meta.id, meta.resolution, meta.range);
    entry.series = meta.series;
    entry.samples = meta.samples + meta.histograms;
    entry.bytes = meta.bytes() + meta_bytes;
    entry.index_bytes = meta.file("index").map_or(0, |file| file.size);
    entry.format = meta.version;
    let listed = meta.files.iter().map(|file| (file.path.as_str(), file.size, Some(file.crc32c)));
    let all = listed.chain([(BlockMeta::FILE, meta_bytes, None)]);
    entry.files = all
        .map(|(path, size, crc32c)| FileEntry { path: path.to_owned(), size, crc32c, footer_offset: None })
        .collect();
    entry
}
