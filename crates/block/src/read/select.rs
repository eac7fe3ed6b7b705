//! A select as a stream: plan, fetch in rounds ahead, decode off the runtime, in order.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use latewood_base::{OffloadError, Pieces};
use latewood_model::{
    HistogramSample, JoinedTimes, Labels, Resolution, SeriesSamples, StartTimestamps, TimeRange, TimestampMs,
};
use latewood_objstore::Usage;
use parking_lot::Mutex;
use tokio::task::JoinSet;

use super::SelectSpec;
use super::block::Block;
use super::decoded::{Fetched, FoundPage, PageCache, SamplePageData, Times};

use super::paged::PageKey;
use super::plan::{Batch, SamplePage, Wanted, plan};
use super::rounds::{Round, rounds};
use super::tables::Tables;
use crate::schema::SCRAPES;
use crate::{BlockError, ReaderConfig};

type Series = Vec<SeriesSamples>;

/// Batches of a block after which a read is a long one; they are larger than a head's.
const PROMPT_BATCHES: usize = 4;

/// What a batch is made of.
pub(super) struct Fill<'a> {
    pub(super) block: &'a Block,
    pub(super) tables: &'a Tables,
    pub(super) cache: &'a mut PageCache,
    pub(super) times: &'a Times,
    pub(super) range: TimeRange,
}

/// Makes series of the decoded pages of a batch.
pub(super) type Filling<T> = fn(Fill<'_>, &Batch) -> Result<Vec<T>, BlockError>;

/// The stream of a select of samples.
pub(super) fn select(
    block: Arc<Block>,
    spec: SelectSpec,
    bounds: ReaderConfig,
) -> BoxStream<'static, Result<Series, BlockError>> {
    let resolution = block.meta().resolution;
    if resolution != Resolution::Raw {
        let error = BlockError::Resolution { id: block.meta().id, resolution, wanted: "samples" };
        return stream::iter([Err(error)]).boxed();
    }
    stream_of(block, spec, bounds, samples)
}

/// The stream of what is made of batches.
pub(super) fn stream_of<S, T>(
    block: Arc<Block>,
    spec: S,
    bounds: ReaderConfig,
    filling: Filling<T>,
) -> BoxStream<'static, Result<Vec<T>, BlockError>>
where
    S: Send + Sync + 'static,
    T: Send + 'static,
    for<'a> Wanted<'a>: From<&'a S>,
{
    stream::once(begin(block, spec, bounds, filling)).try_flatten().boxed()
}

async fn begin<S, T>(
    block: Arc<Block>,
    spec: S,
    bounds: ReaderConfig,
    filling: Filling<T>,
) -> Result<BoxStream<'static, Result<Vec<T>, BlockError>>, BlockError>
where
    S: Send + Sync + 'static,
    T: Send + 'static,
    for<'a> Wanted<'a>: From<&'a S>,
{
    let range = Wanted::from(&spec).range;
    if range.is_empty() || !range.overlaps(block.meta().range) {
        return Ok(stream::empty().boxed());
    }
    let tables = block.tables().await?;
    let batches = {
        let (block, tables) = (Arc::clone(&block), Arc::clone(&tables));
        let offload = block.offload.clone();
        let bounds = bounds.clone();
        offload.run(move || plan(&Wanted::from(&spec), &tables, &block.parts, &bounds)).await?
    };
    let ahead = bounds.fetch_ahead.max(1);
    let cache = Arc::new(Mutex::new(PageCache::default()));
    let fetching = Arc::clone(&block);
    let rounds = stream::iter(rounds(batches, &block.parts, bounds.fetch_bytes));
    let fetched = rounds.map(move |round| fetch_apart(Arc::clone(&fetching), round)).buffered(ahead);
    let batches = fetched.map_ok(|batches| stream::iter(batches.into_iter().map(Ok))).try_flatten();
    let pieces = Arc::new(Pieces::new(block.offload.clone(), PROMPT_BATCHES));
    let decoded = batches.and_then(move |fetched| {
        let (block, tables, cache) = (Arc::clone(&block), Arc::clone(&tables), Arc::clone(&cache));
        let pieces = Arc::clone(&pieces);
        let work = move || materialise(&block, &tables, &cache, fetched, (range, filling));
        async move { pieces.run(work).await? }
    });
    Ok(decoded.try_filter(|series| std::future::ready(!series.is_empty())).boxed())
}

/// Fetches a round in a task of its own, so that it goes on while batches before it are decoded; dropping the future
/// ends it.
async fn fetch_apart(block: Arc<Block>, round: Round) -> Result<Vec<Fetched>, BlockError> {
    let mut tasks = JoinSet::new();
    tasks.spawn(Usage::carried(fetch(block, round)));
    match tasks.join_next().await {
        Some(Ok(fetched)) => fetched,
        Some(Err(failed)) if failed.is_panic() => Err(OffloadError::Panicked.into()),
        _ => Err(OffloadError::Stopping.into()),
    }
}

/// Reads the pages of a round: parts and scrapes at the same time.
async fn fetch(block: Arc<Block>, round: Round) -> Result<Vec<Fetched>, BlockError> {
    let mut by_part: Vec<Vec<PageKey>> = vec![Vec::new(); block.parts.len()];
    let mut samples: BTreeMap<SamplePage, FoundPage> = BTreeMap::new();
    for &key in &round.pages {
        let (part, column, page) = key;
        if let Some(data) = block.pages.get(block.meta().id, key) {
            samples.insert(key, FoundPage::Decoded(data));
        } else if let Some(keys) = by_part.get_mut(part) {
            keys.push((column, page));
        }
    }
    let wanted = block.parts.iter().zip(&by_part).filter(|(_, keys)| !keys.is_empty());
    let parts = wanted.map(|(part, keys)| async {
        let pages = part.file.fetch(&block.bucket, keys).await?;
        Ok::<_, BlockError>(
            pages
                .into_iter()
                .map(|((column, page), bytes)| ((part.number, column, page), FoundPage::Packed(bytes))),
        )
    });
    let of_batches: Vec<BTreeSet<PageKey>> =
        round.batches.iter().map(|batch| scrape_pages(&block, batch)).collect();
    let keys: Vec<PageKey> =
        of_batches.iter().flatten().copied().collect::<BTreeSet<_>>().into_iter().collect();
    let times = block.scrapes.file.fetch(&block.bucket, &keys);
    let (packed, times) = futures::try_join!(futures::future::try_join_all(parts), times)?;
    samples.extend(packed.into_iter().flatten());
    let batches = round.batches.into_iter().zip(of_batches);
    let fetched = batches.map(|(batch, keys)| Fetched {
        samples: of(&samples, &batch.pages).collect(),
        scrapes: of(&times, &keys).collect(),
        batch,
    });
    Ok(fetched.collect())
}

/// The pages with the times that a batch needs.
fn scrape_pages(block: &Block, batch: &Batch) -> BTreeSet<PageKey> {
    let scrapes = &block.scrapes;
    let pages = batch.scrapes.iter().flat_map(|rows| scrapes.file.pages(scrapes.ts, rows));
    pages.map(|page| (scrapes.ts, page)).collect()
}

/// Those of the pages that were fetched.
fn of<'a, K: Ord + Copy, P: Clone>(
    fetched: &'a BTreeMap<K, P>,
    wanted: &'a BTreeSet<K>,
) -> impl Iterator<Item = (K, P)> + 'a {
    wanted.iter().filter_map(|key| Some((*key, fetched.get(key)?.clone())))
}

/// Decodes a batch and makes series of it.
fn materialise<T>(
    block: &Block,
    tables: &Tables,
    cache: &Mutex<PageCache>,
    fetched: Fetched,
    (range, filling): (TimeRange, Filling<T>),
) -> Result<Vec<T>, BlockError> {
    let Fetched { batch, samples, scrapes } = fetched;
    let times = match &tables.times {
        Some(times) => Times::All(Arc::clone(times)),
        None => Times::decode(&block.scrapes, scrapes)?,
    };
    // Batches are decoded one after the other: the lock is never waited for.
    let mut cache = cache.lock();
    let keep = |page, data: &SamplePageData| block.pages.put(block.meta().id, page, data);
    cache.load(&block.parts, &batch, samples, keep)?;
    filling(Fill { block, tables, cache: &mut cache, times: &times, range }, &batch)
}

/// The series of a batch with their samples.
fn samples(fill: Fill<'_>, batch: &Batch) -> Result<Series, BlockError> {
    let Fill { block, tables, cache, times, range } = fill;
    let mut out: Series = Vec::new();
    let mut last = None;
    for piece in &batch.pieces {
        let mut series = nothing_of(Labels::empty());
        match &piece.span.shape {
            Some(shape) => series.histograms = cache.histograms(piece, shape, &block.parts, times, range)?,
            None => cache.rows(piece, &block.parts, times, range, &mut series)?,
        }
        if series.is_empty() {
            continue;
        }
        if last == Some(piece.span.series)
            && let Some(before) = out.last_mut()
        {
            join(before, series, cache.joined())?;
            continue;
        }
        last = Some(piece.span.series);
        series.labels = tables.series.labels(piece.span.series as usize);
        out.push(series);
    }
    out.extend(batch.labels_only.iter().map(|&series| nothing_of(tables.series.labels(series as usize))));
    Ok(out)
}

/// A series without samples.
fn nothing_of(labels: Labels) -> SeriesSamples {
    SeriesSamples {
        labels,
        timestamps: Arc::default(),
        values: Vec::new(),
        starts: StartTimestamps::none(),
        histograms: Vec::new(),
    }
}

/// Appends a later span's samples.
fn join(
    series: &mut SeriesSamples,
    mut later: SeriesSamples,
    joined: &mut JoinedTimes,
) -> Result<(), BlockError> {
    let follows = |before: Option<TimestampMs>, first: Option<TimestampMs>| {
        before.zip(first).is_none_or(|(before, first)| before < first)
    };
    let floats = follows(series.timestamps.last().copied(), later.timestamps.first().copied());
    let at = |sample: Option<&HistogramSample>| sample.map(|sample| sample.timestamp);
    let histograms = follows(at(series.histograms.last()), at(later.histograms.first()));
    if !floats || !histograms {
        return Err(BlockError::corrupt(SCRAPES, "the spans of a series are at times that do not ascend"));
    }
    later.timestamps.first().into_iter().for_each(|&first| series.starts.append(first, &later.starts));
    series.timestamps = joined.join(&series.timestamps, &later.timestamps);
    series.values.append(&mut later.values);
    series.histograms.append(&mut later.histograms);
    Ok(())
}

#[cfg(test)]
mod tests {
    use latewood_model::NativeHistogram;

    use super::*;

    fn series(floats: &[TimestampMs], histograms: &[TimestampMs]) -> SeriesSamples {
        let histogram = |at: &TimestampMs| HistogramSample::new(*at, NativeHistogram::stale());
        SeriesSamples {
            labels: Labels::empty(),
            timestamps: floats.into(),
            values: vec![1.0; floats.len()],
            starts: StartTimestamps::none(),
            histograms: histograms.iter().map(histogram).collect(),
        }
    }

    #[test]
    fn spans_whose_times_a_damaged_table_mixed_up_are_refused() {
        let joined = |a, b| {
            let mut joined = a;
            join(&mut joined, b, &mut JoinedTimes::default())
                .map(|()| (joined.timestamps.len(), joined.histograms.len()))
        };
        assert_eq!(joined(series(&[1, 2], &[]), series(&[], &[1, 2])).unwrap(), (2, 2));
        assert_eq!(joined(series(&[1, 4], &[2]), series(&[5], &[3])).unwrap(), (3, 2));
        assert!(joined(series(&[1, 4], &[]), series(&[4], &[])).is_err());
        assert!(joined(series(&[], &[1, 4]), series(&[5], &[3])).is_err());
    }
}
