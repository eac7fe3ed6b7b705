//! What a block keeps in memory once it was asked something: series, spans, scrape times.

use std::sync::Arc;

use bytes::Bytes;
use latewood_base::Offload;
use latewood_model::TimestampMs;
use latewood_objstore::Bucket;
use parquet::data_type::Int64Type;

use super::paged::{PageKey, PagedFile};
use super::series_table::SeriesTable;
use super::span_table::SpanTable;
use super::table_file::check_file;
use crate::schema::{SCRAPES, SERIES, SPANS};
use crate::{BlockError, BlockMeta, FileMeta, ReaderConfig};

/// The tables of a block, decoded.
#[derive(Debug)]
pub(crate) struct Tables {
    pub(crate) series: SeriesTable,
    pub(crate) spans: SpanTable,
    /// All scrape times by scrape id; none when there are too many to keep.
    pub(crate) times: Option<Arc<[TimestampMs]>>,
}

/// The scrapes: where they are, and which column has the times.
#[derive(Debug)]
pub(crate) struct Scrapes {
    pub(crate) file: PagedFile,
    pub(crate) ts: usize,
}

impl Tables {
    /// Fetches and decodes the tables: one round of reads.
    pub(crate) async fn load(
        bucket: &Bucket,
        folder: &str,
        meta: &Arc<BlockMeta>,
        scrapes: &Arc<Scrapes>,
        offload: &Offload,
        config: &ReaderConfig,
    ) -> Result<Self, BlockError> {
        let whole = meta.scrapes <= config.scrape_memory;
        let rows = if whole { 0..meta.scrapes } else { 0..0 };
        let pages = scrapes.file.pages(scrapes.ts, &rows);
        let keys: Vec<PageKey> = pages.map(|page| (scrapes.ts, page)).collect();
        let (series, spans, pages) = futures::try_join!(
            file(bucket, folder, meta, SERIES, config),
            file(bucket, folder, meta, SPANS, config),
            scrapes.file.fetch(bucket, &keys, config.coalesce_bytes),
        )?;
        let (meta, scrapes) = (Arc::clone(meta), Arc::clone(scrapes));
        let decode = move || {
            for (file, bytes) in [&series, &spans] {
                check_file(file, bytes)?;
            }
            // The number of series is believed only after that many rows were read.
            let series = SeriesTable::decode(&series.1, meta.series)?;
            let spans = SpanTable::decode(&spans.1, &meta, &series)?;
            let mut times = Vec::new();
            for (key, bytes) in pages {
                times.extend(scrapes.file.decode::<Int64Type>(key, bytes)?.values);
            }
            if whole && times.len() as u64 != meta.scrapes {
                return Err(BlockError::corrupt(SCRAPES, "it has not as many rows as meta.json says"));
            }
            let times = whole.then(|| Arc::from(times));
            Ok(Self { series, spans, times })
        };
        offload.run(decode).await?
    }

    /// Bytes of memory held.
    pub(crate) fn weight(&self) -> usize {
        let times = self.times.as_ref().map_or(0, |times| times.len() * 8);
        self.series.weight() + self.spans.weight() + times
    }
}

/// A whole file, to be compared with its size and checksum off the runtime.
async fn file(
    bucket: &Bucket,
    folder: &str,
    meta: &BlockMeta,
    name: &str,
    config: &ReaderConfig,
) -> Result<(FileMeta, Bytes), BlockError> {
    let file = meta.file(name);
    let file =
        file.ok_or_else(|| BlockError::corrupt(BlockMeta::FILE, format!("it does not name {name}")))?;
    let bytes = bucket.get(&format!("{folder}/{name}"), file.size.min(config.max_table_bytes)).await;
    let bytes = match bytes {
        Err(latewood_objstore::BucketError::TooLarge { size, .. }) if size != file.size => {
            let problem = format!("it has {size} bytes instead of {}", file.size);
            return Err(BlockError::corrupt(name, problem));
        }
        other => other?,
    };
    Ok((file.clone(), bytes))
}
