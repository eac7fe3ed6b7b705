//! What a block keeps in memory once it was asked something: series, spans, scrape times.

use std::sync::Arc;

use bytes::Bytes;
use latewood_base::Offload;
use latewood_model::TimestampMs;
use latewood_objstore::{Bucket, BucketError};
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

/// The bytes of the tables, as they lie in the bucket. A file that is larger than it may be has not come.
#[derive(Default)]
pub(crate) struct TableBytes {
    series: Option<Bytes>,
    spans: Option<Bytes>,
    scrapes: Option<Bytes>,
}

impl TableBytes {
    /// Fetches them in one round, before anything is known of the block.
    pub(crate) async fn fetch(
        bucket: &Bucket,
        folder: &str,
        config: &ReaderConfig,
    ) -> Result<Self, BlockError> {
        // A time takes at most its eight bytes, and a scrape's group less.
        let most_of_scrapes = config.scrape_memory.saturating_mul(16).min(config.max_table_bytes);
        let get = |name: &str, most: u64| {
            let key = format!("{folder}/{name}");
            async move {
                match bucket.get(&key, most).await {
                    Err(BucketError::TooLarge { .. }) => Ok(None),
                    other => other.map(Some),
                }
            }
        };
        let (series, spans, scrapes) = futures::try_join!(
            get(SERIES, config.max_table_bytes),
            get(SPANS, config.max_table_bytes),
            get(SCRAPES, most_of_scrapes),
        )?;
        Ok(Self { series, spans, scrapes })
    }
}

impl Tables {
    /// Decodes the tables, fetching what has not come yet: one round of reads where nothing has.
    pub(crate) async fn load(
        bucket: &Bucket,
        folder: &str,
        meta: &Arc<BlockMeta>,
        scrapes: &Arc<Scrapes>,
        offload: &Offload,
        config: &ReaderConfig,
        known: TableBytes,
    ) -> Result<Self, BlockError> {
        let whole = meta.scrapes <= config.scrape_memory;
        let rows = if whole { 0..meta.scrapes } else { 0..0 };
        let pages = scrapes.file.pages(scrapes.ts, &rows);
        let keys: Vec<PageKey> = pages.map(|page| (scrapes.ts, page)).collect();
        let times = async {
            match &known.scrapes {
                Some(bytes) => scrapes.file.cut(bytes, &keys),
                None => scrapes.file.fetch(bucket, &keys).await,
            }
        };
        let (series, spans, pages) = futures::try_join!(
            file(bucket, folder, meta, SERIES, known.series, config),
            file(bucket, folder, meta, SPANS, known.spans, config),
            times,
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
    known: Option<Bytes>,
    config: &ReaderConfig,
) -> Result<(FileMeta, Bytes), BlockError> {
    let file = meta.file(name);
    let file =
        file.ok_or_else(|| BlockError::corrupt(BlockMeta::FILE, format!("it does not name {name}")))?;
    if let Some(bytes) = known {
        return Ok((file.clone(), bytes));
    }
    let bytes = bucket.get(&format!("{folder}/{name}"), file.size.min(config.max_table_bytes)).await;
    let bytes = match bytes {
        Err(BucketError::TooLarge { size, .. }) if size != file.size => {
            let problem = format!("it has {size} bytes instead of {}", file.size);
            return Err(BlockError::corrupt(name, problem));
        }
        other => other?,
    };
    Ok((file.clone(), bytes))
}
