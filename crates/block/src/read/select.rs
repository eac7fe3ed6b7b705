//! A select as a stream: planned and fetched in rounds ahead, decoded off the runtime, in order.

use std::sync::Arc;

use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use latewood_base::Pieces;
use latewood_model::{
    HistogramSample, JoinedTimes, Labels, Resolution, SeriesSamples, StartTimestamps, TimestampMs,
};
use parking_lot::Mutex;

use super::SelectSpec;
use super::block::Block;
use super::decoded::{Fetched, PageCache, SamplePageData, Times};
use super::fetch::fetched;
use super::plan::{Batch, Piece, Planner, Wanted, pieces};
use super::rounds::Rounds;
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
    pub(super) wanted: Wanted<'a>,
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
    let (range, spec) = (Wanted::from(&spec).range, Arc::new(spec));
    if range.is_empty() || !range.overlaps(block.meta().range) {
        return Ok(stream::empty().boxed());
    }
    let tables = block.tables().await?;
    let (ahead, fetch_bytes) = (bounds.fetch_ahead.max(1), bounds.fetch_bytes);
    let planner = Planner::new(Arc::clone(&block), Arc::clone(&tables), Arc::clone(&spec), bounds);
    let fetched = fetched(Arc::clone(&block), Rounds::new(planner, Arc::clone(&block), fetch_bytes), ahead);
    let cache = Arc::new(Mutex::new(PageCache::default()));
    let batches = fetched.map_ok(|batches| stream::iter(batches.into_iter().map(Ok))).try_flatten();
    let pieces = Arc::new(Pieces::new(block.offload.clone(), PROMPT_BATCHES));
    let decoded = batches.and_then(move |fetched| {
        let (block, tables, cache) = (Arc::clone(&block), Arc::clone(&tables), Arc::clone(&cache));
        let (spec, pieces, is_short) = (Arc::clone(&spec), Arc::clone(&pieces), fetched.is_short());
        let work = move || materialise(&block, &tables, &cache, fetched, (Wanted::from(&*spec), filling));
        async move { if is_short { work() } else { pieces.run(work).await? } }
    });
    Ok(decoded.try_filter(|series| std::future::ready(!series.is_empty())).boxed())
}

/// Decodes a batch and makes series of it.
fn materialise<T>(
    block: &Block,
    tables: &Tables,
    cache: &Mutex<PageCache>,
    fetched: Fetched,
    (wanted, filling): (Wanted<'_>, Filling<T>),
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
    filling(Fill { block, tables, cache: &mut cache, times: &times, wanted }, &batch)
}

/// The series of a batch with their samples.
fn samples(mut fill: Fill<'_>, batch: &Batch) -> Result<Series, BlockError> {
    let mut out = Vec::with_capacity(batch.series.len());
    for &number in &batch.series {
        let mut series = nothing_of(Labels::empty());
        if !fill.wanted.only_labels {
            for piece in pieces(number, fill.wanted, fill.tables) {
                append(&mut fill, &mut series, &piece)?;
            }
            if series.is_empty() {
                continue;
            }
        }
        series.labels = fill.tables.series.labels(number as usize);
        out.push(series);
    }
    Ok(out)
}

/// Appends the samples of a piece.
fn append(fill: &mut Fill<'_>, series: &mut SeriesSamples, piece: &Piece) -> Result<(), BlockError> {
    let (parts, range) = (&fill.block.parts, fill.wanted.range);
    let mut found = nothing_of(Labels::empty());
    match &piece.span.shape {
        Some(shape) => {
            found.histograms = fill.cache.histograms(piece, shape, parts, fill.times, range)?;
        }
        None => fill.cache.rows(piece, parts, fill.times, range, &mut found)?,
    }
    match (series.is_empty(), found.is_empty()) {
        (_, true) => Ok(()),
        (true, false) => {
            *series = found;
            Ok(())
        }
        (false, false) => join(series, found, fill.cache.joined()),
    }
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
