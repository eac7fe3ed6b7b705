//! The decoded pages of a batch, and rows out of them.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use hashbrown::HashMap;
use latewood_model::{JoinedTimes, SeriesSamples, TimeRange, TimestampMs, stale_nan};
use parquet::basic::Type;
use parquet::data_type::{BoolType, DoubleType, Int32Type, Int64Type};

use super::paged::{Decoded, PageKey};
use super::part::Part;
use super::plan::{Batch, Piece, SamplePage, within};
use super::tables::Scrapes;
use crate::BlockError;
use crate::decimal::Scale;
use crate::schema::SCRAPES;

/// A decoded page of samples.
#[derive(Clone, Debug)]
pub(super) enum SamplePageData {
    Integers(Arc<Decoded<i64>>),
    Doubles(Arc<Decoded<f64>>),
    Int32(Arc<Decoded<i32>>),
    Flags(Arc<Decoded<bool>>),
}

impl SamplePageData {
    /// Bytes of memory.
    pub(super) fn heap_size(&self) -> usize {
        match self {
            Self::Integers(page) => page.heap_size(),
            Self::Doubles(page) => page.heap_size(),
            Self::Int32(page) => page.heap_size(),
            Self::Flags(page) => page.heap_size(),
        }
    }
}

/// A page as it was found.
#[derive(Clone, Debug)]
pub(super) enum FoundPage {
    /// As it is in the bucket.
    Packed(Bytes),
    /// As an earlier select decoded it.
    Decoded(SamplePageData),
}

/// A batch's pages.
pub(super) struct Fetched {
    pub(super) batch: Batch,
    pub(super) samples: Vec<(SamplePage, FoundPage)>,
    pub(super) scrapes: BTreeMap<PageKey, Bytes>,
}

impl Fetched {
    /// Whether it is made into series in less time than a change of threads takes: little, and decoded already.
    pub(super) fn is_short(&self) -> bool {
        let is_decoded = |page: &(SamplePage, FoundPage)| matches!(page.1, FoundPage::Decoded(_));
        self.batch.is_short() && self.scrapes.is_empty() && self.samples.iter().all(is_decoded)
    }
}

/// Scrape times: all of a block's, or those of some pages.
pub(super) enum Times {
    All(Arc<[TimestampMs]>),
    Pages(Vec<(u64, Vec<TimestampMs>)>),
}

impl Times {
    /// The times of the pages fetched for a batch.
    pub(super) fn decode(scrapes: &Scrapes, pages: BTreeMap<PageKey, Bytes>) -> Result<Self, BlockError> {
        let decode = |(key, bytes)| {
            let first = scrapes.file.page(key).map_or(0, |page| page.rows.start);
            Ok((first, scrapes.file.decode::<Int64Type>(key, bytes)?.values))
        };
        Ok(Self::Pages(pages.into_iter().map(decode).collect::<Result<_, BlockError>>()?))
    }

    /// The time of one scrape.
    fn at(&self, id: u64) -> Option<TimestampMs> {
        match self {
            Self::All(times) => times.get(usize::try_from(id).ok()?).copied(),
            Self::Pages(pages) => {
                let (first, times) =
                    pages.get(pages.partition_point(|(first, _)| *first <= id).checked_sub(1)?)?;
                times.get(usize::try_from(id - first).ok()?).copied()
            }
        }
    }

    /// The times of scrapes that follow each other.
    fn run(&self, ids: Range<u64>) -> Option<Arc<[TimestampMs]>> {
        match self {
            Self::All(times) => {
                let range = usize::try_from(ids.start).ok()?..usize::try_from(ids.end).ok()?;
                times.get(range).map(Arc::from)
            }
            Self::Pages(_) => ids.map(|id| self.at(id)).collect(),
        }
    }
}

/// Decoded pages, kept from one batch to the next as far as both need them, and the times handed out.
#[derive(Default)]
pub(super) struct PageCache {
    pages: HashMap<SamplePage, SamplePageData>,
    times: HashMap<(u64, u64), Arc<[TimestampMs]>>,
    joined: JoinedTimes,
}

/// Vectors of times that are remembered for sharing.
const MAX_SHARED_TIMES: usize = 4_096;

impl PageCache {
    /// Decodes the pages of a batch that are not here yet, and drops those that it does not need. Tells `decoded` of each
    /// that it decoded.
    pub(super) fn load(
        &mut self,
        parts: &[Part],
        batch: &Batch,
        fetched: Vec<(SamplePage, FoundPage)>,
        decoded: impl Fn(SamplePage, &SamplePageData),
    ) -> Result<(), BlockError> {
        self.pages.retain(|page, _| batch.pages.contains(page));
        for (key, found) in fetched {
            if self.pages.contains_key(&key) {
                continue;
            }
            let data = match found {
                FoundPage::Decoded(data) => data,
                FoundPage::Packed(bytes) => {
                    let Some(part) = parts.get(key.0) else { continue };
                    let data = decode(part, (key.1, key.2), bytes)?;
                    decoded(key, &data);
                    data
                }
            };
            self.pages.insert(key, data);
        }
        Ok(())
    }

    /// Times handed out for several spans of a series.
    pub(super) fn joined(&mut self) -> &mut JoinedTimes {
        &mut self.joined
    }

    /// The times, values and start timestamps of a piece, cut to the range, for a series that has none yet.
    pub(super) fn rows(
        &mut self,
        piece: &Piece,
        parts: &[Part],
        times: &Times,
        range: TimeRange,
        series: &mut SeriesSamples,
    ) -> Result<(), BlockError> {
        let part = parts.get(piece.span.part as usize);
        let part = part.ok_or_else(|| BlockError::corrupt(SCRAPES, "a span leads to no part"))?;
        let stamps = self.times_of(piece, part, times)?;
        let wanted = if piece.exact { 0..stamps.len() } else { within(&stamps, range) };
        let first = piece.span.row_start + piece.rows.start;
        let rows = first + wanted.start as u64..first + wanted.end as u64;
        let stamps = match wanted == (0..stamps.len()) {
            true => stamps,
            false => self.shared(piece, wanted, &stamps),
        };
        let mut values = vec![stale_nan(); stamps.len()];
        if let Some(scale) = piece.span.scale {
            let take = |out: &mut f64, value| *out = value;
            self.integers(piece, part, part.vi, &rows, scale, &mut values, take)?;
        }
        if piece.span.has_vf {
            self.doubles(piece, part, part.vf, &rows, &mut values, |out, value| *out = value)?;
        }
        series.starts = self.starts(piece, part, &rows, &stamps)?;
        (series.timestamps, series.values) = (stamps, values);
        Ok(())
    }

    pub(super) fn times_of(
        &mut self,
        piece: &Piece,
        part: &Part,
        times: &Times,
    ) -> Result<Arc<[TimestampMs]>, BlockError> {
        let missing = || BlockError::corrupt(SCRAPES, "a scrape that a span names is not there");
        if !piece.span.contiguous() {
            return self.times_with_gaps(piece, part, times);
        }
        let samples = piece.samples();
        let first = u64::from(piece.span.first_scrape);
        self.run_of_times(first + samples.start..first + samples.end, times).ok_or_else(missing)
    }

    /// The times of scrapes that follow each other, shared.
    pub(super) fn run_of_times(&mut self, ids: Range<u64>, times: &Times) -> Option<Arc<[TimestampMs]>> {
        let key = (ids.start, ids.end - ids.start);
        if let Some(known) = self.times.get(&key) {
            return Some(Arc::clone(known));
        }
        let stamps = times.run(ids)?;
        self.remember(key, &stamps);
        Some(stamps)
    }

    fn remember(&mut self, key: (u64, u64), stamps: &Arc<[TimestampMs]>) {
        if self.times.len() >= MAX_SHARED_TIMES {
            self.times.clear();
        }
        self.times.insert(key, Arc::clone(stamps));
    }

    /// A part of times that were read whole, shared where the scrapes are a run.
    pub(super) fn shared(
        &mut self,
        piece: &Piece,
        wanted: Range<usize>,
        stamps: &[TimestampMs],
    ) -> Arc<[TimestampMs]> {
        let cut: Arc<[TimestampMs]> = stamps.get(wanted.clone()).unwrap_or_default().into();
        if !piece.span.contiguous() {
            return cut;
        }
        let first = u64::from(piece.span.first_scrape) + piece.rows.start + wanted.start as u64;
        let key = (first, wanted.len() as u64);
        if let Some(known) = self.times.get(&key) {
            return Arc::clone(known);
        }
        self.remember(key, &cut);
        cut
    }

    fn times_with_gaps(
        &self,
        piece: &Piece,
        part: &Part,
        times: &Times,
    ) -> Result<Arc<[TimestampMs]>, BlockError> {
        // Of histograms these are the rows of the first part.
        let samples = piece.samples();
        let rows = piece.span.row_start + samples.start..piece.span.row_start + samples.end;
        self.times_by_id(piece, part, part.scrape_id, &rows, times)
    }

    /// The times of the scrapes that a column names.
    pub(super) fn times_by_id(
        &self,
        piece: &Piece,
        part: &Part,
        column: usize,
        rows: &Range<u64>,
        times: &Times,
    ) -> Result<Arc<[TimestampMs]>, BlockError> {
        let mut stamps = Vec::with_capacity((rows.end - rows.start) as usize);
        self.visit(piece, part, column, rows, |page, cut, _| {
            if let SamplePageData::Int32(page) = page {
                let ids = page.values.get(cut).unwrap_or_default();
                stamps.extend(ids.iter().map_while(|&id| times.at(u64::try_from(id).ok()?)));
            }
        })?;
        if stamps.len() as u64 != rows.end - rows.start || !stamps.is_sorted_by(|a, b| a < b) {
            return Err(BlockError::corrupt(&part.file.name, "scrape_id leads to times that do not ascend"));
        }
        Ok(stamps.into())
    }

    /// Hands the values that stand as integers in a column to `take`, each with its place in `out`.
    #[allow(clippy::too_many_arguments, reason = "where it stands, and where it goes")]
    pub(super) fn integers<O>(
        &self,
        piece: &Piece,
        part: &Part,
        column: usize,
        rows: &Range<u64>,
        scale: Scale,
        out: &mut [O],
        take: impl Fn(&mut O, f64),
    ) -> Result<(), BlockError> {
        let mut exact = true;
        self.visit(piece, part, column, rows, |page, cut, at| {
            let SamplePageData::Integers(page) = page else {
                return;
            };
            let out = out.get_mut(at..).unwrap_or_default();
            page.each(cut, out, |out, vi| match scale.restore(vi) {
                Some(value) => take(out, value),
                None => exact = false,
            });
        })?;
        if exact {
            return Ok(());
        }
        Err(BlockError::corrupt(&part.file.name, "vi · num is beyond the exact integers"))
    }

    /// The same for those that stand as doubles.
    pub(super) fn doubles<O>(
        &self,
        piece: &Piece,
        part: &Part,
        column: usize,
        rows: &Range<u64>,
        out: &mut [O],
        take: impl Fn(&mut O, f64),
    ) -> Result<(), BlockError> {
        self.visit(piece, part, column, rows, |page, cut, at| {
            let SamplePageData::Doubles(page) = page else {
                return;
            };
            page.each(cut, out.get_mut(at..).unwrap_or_default(), &take);
        })
    }

    /// Hands the pages with some of the rows to `take`: the page, which of its rows, and where the first
    /// of them stands among all.
    pub(super) fn visit(
        &self,
        piece: &Piece,
        part: &Part,
        column: usize,
        rows: &Range<u64>,
        mut take: impl FnMut(&SamplePageData, Range<usize>, usize),
    ) -> Result<(), BlockError> {
        for page in part.file.pages(column, rows) {
            let data = self.pages.get(&(piece.span.part as usize, column, page));
            let place = part.file.page((column, page));
            let (data, place) = data.zip(place).ok_or_else(|| {
                BlockError::corrupt(&part.file.name, "a page that was asked for did not come")
            })?;
            let start = rows.start.max(place.rows.start);
            let end = rows.end.min(place.rows.end);
            let cut = (start - place.rows.start) as usize..(end - place.rows.start) as usize;
            take(data, cut, (start - rows.start) as usize);
        }
        Ok(())
    }
}

fn decode(part: &Part, page: PageKey, bytes: Bytes) -> Result<SamplePageData, BlockError> {
    let file = &part.file;
    Ok(match file.physical(page.0) {
        Some(Type::INT64) => SamplePageData::Integers(Arc::new(file.decode::<Int64Type>(page, bytes)?)),
        Some(Type::DOUBLE) => SamplePageData::Doubles(Arc::new(file.decode::<DoubleType>(page, bytes)?)),
        Some(Type::BOOLEAN) => SamplePageData::Flags(Arc::new(file.decode::<BoolType>(page, bytes)?)),
        _ => SamplePageData::Int32(Arc::new(file.decode::<Int32Type>(page, bytes)?)),
    })
}
