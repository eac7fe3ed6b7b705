//! [`Block`]: a block in a bucket, open for reading.

use std::sync::Arc;

use futures::stream::BoxStream;
use latewood_base::Offload;
use latewood_model::{Matcher, MetricMetadata, Resolution, SeriesRollups, SeriesSamples, TimeRange};
use latewood_objstore::{Bucket, BucketError};
use parquet::basic::Type;
use tokio::sync::OnceCell;

use super::decoded_pages::DecodedPages;
use super::paged::PagedFile;
use super::part::{Part, PartKind};
use super::table_file::check_file;
use super::tables::{Scrapes, TableBytes, Tables};
use super::{BlockStatistics, RollupSpec, SelectSpec, select, select_rollups};
use crate::index::{self, IndexEntry};
use crate::schema::{INDEX, SCRAPES};
use crate::{BlockError, BlockMeta, ReaderConfig};

/// A block in a bucket, open for reading: footers and page tables in memory, series, spans and scrape
/// times from the first question on. Immutable, as blocks are.
#[derive(Debug)]
pub struct Block {
    pub(super) bucket: Bucket,
    folder: String,
    pub(super) offload: Offload,
    pub(super) config: ReaderConfig,
    pub(super) pages: DecodedPages,
    meta: Arc<BlockMeta>,
    pub(super) parts: Vec<Part>,
    pub(super) scrapes: Arc<Scrapes>,
    index_bytes: usize,
    tables: OnceCell<Arc<Tables>>,
}

impl Block {
    /// Opens the block in `folder` (a key without `/` at its end): reads `meta.json` and `index`, in one
    /// round, and nothing else.
    ///
    /// # Errors
    /// [`BlockError::Bucket`] when an object is missing or the bucket does not answer,
    /// [`BlockError::Version`] for a newer format, [`BlockError::Corrupt`] naming the file that is broken.
    pub async fn open(
        bucket: Bucket,
        folder: &str,
        offload: Offload,
        config: ReaderConfig,
    ) -> Result<Arc<Self>, BlockError> {
        config.validate()?;
        Self::head(bucket, folder, offload, config, DecodedPages::new(0)).await.map(Arc::new)
    }

    /// As [`Block::open`], with the series, spans and scrape times, for whoever will ask at once: all in one round. Pages
    /// that selects decode are kept with those of other blocks.
    ///
    /// # Errors
    /// As [`Block::open`].
    pub async fn open_with_tables(
        bucket: Bucket,
        folder: &str,
        offload: Offload,
        config: ReaderConfig,
        pages: &DecodedPages,
    ) -> Result<Arc<Self>, BlockError> {
        config.validate()?;
        let head = Self::head(Arc::clone(&bucket), folder, offload, config.clone(), pages.clone());
        let (block, bytes) = futures::join!(head, TableBytes::fetch(&bucket, folder, &config));
        let block = block?;
        let tables = block.load(bytes.map_err(|error| named(error, folder))?).await?;
        // Nobody else has the block yet.
        let _ = block.tables.set(tables);
        Ok(Arc::new(block))
    }

    async fn head(
        bucket: Bucket,
        folder: &str,
        offload: Offload,
        config: ReaderConfig,
        pages: DecodedPages,
    ) -> Result<Self, BlockError> {
        let (meta_key, index_key) = (format!("{folder}/{}", BlockMeta::FILE), format!("{folder}/{INDEX}"));
        let (json, index) = futures::join!(
            bucket.get(&meta_key, BlockMeta::MAX_BYTES),
            bucket.get(&index_key, config.max_table_bytes),
        );
        let (json, index) = (json?, index?);
        let owned = folder.to_owned();
        let opened = offload.run(move || {
            let meta = BlockMeta::from_json(&json)?;
            let entries = check_index(&meta, &index)?;
            let (parts, scrapes) = open_files(&owned, &meta, &entries)?;
            Ok::<_, BlockError>((meta, parts, scrapes, json.len() + 3 * index.len()))
        });
        let (meta, parts, scrapes, index_bytes) = opened.await??;
        Ok(Self {
            bucket,
            folder: folder.to_owned(),
            offload,
            config,
            pages,
            meta: Arc::new(meta),
            parts,
            scrapes: Arc::new(scrapes),
            index_bytes,
            tables: OnceCell::new(),
        })
    }

    /// What `meta.json` says.
    #[must_use]
    pub fn meta(&self) -> &BlockMeta {
        &self.meta
    }

    /// Bytes of memory held, roughly. Grows at the first question.
    #[must_use]
    pub fn weight(&self) -> usize {
        let tables = self.tables.get().map_or(0, |tables| tables.weight());
        self.index_bytes + tables + size_of::<Self>()
    }

    /// Streams the series that match with their samples in the range, in storage order, each once; series
    /// without samples there are left out. A batch holds at most [`ReaderConfig::batch_samples`] samples,
    /// or one series. Series that were scraped together share their times. Ends at the first error;
    /// dropping the stream stops the work.
    #[must_use]
    pub fn select(
        self: &Arc<Self>,
        spec: SelectSpec,
    ) -> BoxStream<'static, Result<Vec<SeriesSamples>, BlockError>> {
        self.select_beside(spec, 1)
    }

    /// As [`Block::select`] where so many blocks, this one among them, are read side by side: each takes
    /// its share of a batch, so that together they hold about what one would.
    #[must_use]
    pub fn select_beside(
        self: &Arc<Self>,
        spec: SelectSpec,
        blocks: usize,
    ) -> BoxStream<'static, Result<Vec<SeriesSamples>, BlockError>> {
        let bounds = self.config.shared_by(blocks);
        select::select(Arc::clone(self), spec, bounds)
    }

    /// Streams the series that match with their windows that end in the range, in storage order, each once, as
    /// [`Block::select`] does with samples.
    #[must_use]
    pub fn select_rollups(
        self: &Arc<Self>,
        spec: RollupSpec,
    ) -> BoxStream<'static, Result<Vec<SeriesRollups>, BlockError>> {
        self.select_rollups_beside(spec, 1)
    }

    /// As [`Block::select_rollups`] where so many blocks, this one among them, are read side by side.
    #[must_use]
    pub fn select_rollups_beside(
        self: &Arc<Self>,
        spec: RollupSpec,
        blocks: usize,
    ) -> BoxStream<'static, Result<Vec<SeriesRollups>, BlockError>> {
        let bounds = self.config.shared_by(blocks);
        select_rollups::select(Arc::clone(self), spec, bounds)
    }

    /// The names of the labels of the series that match and overlap the range, sorted. No samples are
    /// read.
    ///
    /// # Errors
    /// As [`Block::open`].
    pub async fn label_names(
        self: &Arc<Self>,
        matchers: &[Matcher],
        range: TimeRange,
    ) -> Result<Vec<String>, BlockError> {
        let matchers = matchers.to_vec();
        self.ask(move |block, tables| {
            let covered = range.overlaps(block.meta.range);
            if covered { tables.label_names(&matchers, range) } else { Vec::new() }
        })
        .await
    }

    /// The values of a label on the series that match and overlap the range, sorted. No samples are read.
    ///
    /// # Errors
    /// As [`Block::open`].
    pub async fn label_values(
        self: &Arc<Self>,
        name: &str,
        matchers: &[Matcher],
        range: TimeRange,
    ) -> Result<Vec<String>, BlockError> {
        let (name, matchers) = (name.to_owned(), matchers.to_vec());
        self.ask(move |block, tables| {
            let covered = range.overlaps(block.meta.range);
            if covered { tables.label_values(&name, &matchers, range) } else { Vec::new() }
        })
        .await
    }

    /// Type, unit and help of all metrics, or of one: sorted by metric, each distinct description once.
    ///
    /// # Errors
    /// As [`Block::open`].
    pub async fn metadata(
        self: &Arc<Self>,
        metric: Option<&str>,
    ) -> Result<Vec<(String, MetricMetadata)>, BlockError> {
        let metric = metric.map(str::to_owned);
        self.ask(move |_, tables| tables.series.all_metadata(metric.as_deref())).await
    }

    /// Cardinality, each list with at most `limit` entries.
    ///
    /// # Errors
    /// As [`Block::open`].
    pub async fn statistics(self: &Arc<Self>, limit: usize) -> Result<BlockStatistics, BlockError> {
        self.ask(move |block, tables| tables.series.statistics(&block.meta, limit)).await
    }

    /// Works out an answer from the tables, off the runtime.
    async fn ask<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Self, &Tables) -> T + Send + 'static,
    ) -> Result<T, BlockError> {
        let (block, tables) = (Arc::clone(self), self.tables().await?);
        Ok(self.offload.run(move || work(&block, &tables)).await?)
    }

    /// The tables, loaded once; a failed load is tried again by the next question.
    pub(crate) async fn tables(&self) -> Result<Arc<Tables>, BlockError> {
        self.tables.get_or_try_init(|| self.load(TableBytes::default())).await.cloned()
    }

    async fn load(&self, known: TableBytes) -> Result<Arc<Tables>, BlockError> {
        let (bucket, folder, meta) = (&self.bucket, &self.folder, &self.meta);
        let tables = Tables::load(bucket, folder, meta, &self.scrapes, &self.offload, &self.config, known);
        tables.await.map(Arc::new).map_err(|error| named(error, folder))
    }
}

/// An object that `meta.json` names must be there: the block is.
fn named(error: BlockError, folder: &str) -> BlockError {
    match error {
        BlockError::Bucket(BucketError::NotFound { key }) => {
            let file = key.strip_prefix(folder).unwrap_or(&key).trim_start_matches('/');
            BlockError::Missing { file: file.to_owned() }
        }
        other => other,
    }
}

/// Compares the index with `meta.json`: the same files, the same sizes.
pub(crate) fn check_index(meta: &BlockMeta, index: &bytes::Bytes) -> Result<Vec<IndexEntry>, BlockError> {
    let named = meta.file(INDEX);
    let named = named.ok_or_else(|| BlockError::corrupt(BlockMeta::FILE, "it does not name the index"))?;
    check_file(named, index)?;
    let entries = index::decode(index)?;
    for file in meta.files.iter().filter(|file| file.path != INDEX) {
        let mut known = entries.iter().filter(|entry| entry.path == file.path);
        if known.next().is_none_or(|entry| entry.size != file.size) || known.next().is_some() {
            let problem = format!("its entry of {} is missing, doubled or of another size", file.path);
            return Err(BlockError::corrupt(INDEX, problem));
        }
    }
    if entries.len() + 1 != meta.files.len() {
        return Err(BlockError::corrupt(INDEX, "it has files that meta.json does not name"));
    }
    Ok(entries)
}

/// The page tables of samples and scrapes, compared with `meta.json`.
pub(crate) fn open_files(
    folder: &str,
    meta: &BlockMeta,
    entries: &[IndexEntry],
) -> Result<(Vec<Part>, Scrapes), BlockError> {
    let open = |path: &str, rows: u64| {
        let entry = entries.iter().find(|entry| entry.path == path);
        let entry = entry.ok_or_else(|| BlockError::corrupt(INDEX, format!("it does not have {path}")))?;
        let file = PagedFile::new(folder, entry)?;
        if file.rows != rows {
            let problem = format!("it has {} rows, and meta.json says {rows}", file.rows);
            return Err(BlockError::corrupt(path, problem));
        }
        Ok(file)
    };
    let kind = match meta.resolution {
        Resolution::Raw => PartKind::Samples,
        _ => PartKind::Rollups,
    };
    let samples = meta.parts.iter().map(|part| (part, kind));
    let histograms = meta.histogram_parts.iter().map(|part| (part, PartKind::Histograms));
    let parts = samples
        .chain(histograms)
        .enumerate()
        .map(|(number, (part, kind))| Part::new(number, open(&part.path, part.rows)?, kind, meta.version));
    let file = open(SCRAPES, meta.scrapes)?;
    let scrapes = Scrapes { ts: file.column("ts", Type::INT64)?, file };
    Ok((parts.collect::<Result<_, _>>()?, scrapes))
}
