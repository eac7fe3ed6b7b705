//! The dictionary of scrape times: each distinct vector of times is stored once, and series refer to it.

use std::collections::VecDeque;
use std::hash::BuildHasher;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int32Array, Int64Array, RecordBatch};
use arrow::datatypes::SchemaRef;
use foldhash::fast::FixedState;
use hashbrown::HashMap;
use latewood_model::TimestampMs;

use super::output::{Finished, Output};
use crate::schema::{self, SCRAPES};
use crate::span::ScrapeRange;
use crate::{BlockError, WriterConfig};

/// Rows of the batches handed to the encoder.
const BATCH: usize = 65_536;

/// How many of the groups used last are tried for times that are a part of theirs.
const NEIGHBOURS: usize = 4;

/// Where the times of a series stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Placed {
    /// The scrape of the first sample.
    pub(super) first: u32,
    /// The scrape of the last sample.
    pub(super) last: u32,
    /// The scrape of each sample, when some between first and last have none.
    pub(super) gaps: Option<Vec<u32>>,
}

impl Placed {
    /// The place of some of the samples, at least one.
    pub(super) fn slice(&self, samples: std::ops::Range<usize>) -> Self {
        let count = samples.len();
        let id = |index: usize| self.scrape(index) as u32;
        let (first, last) = (id(samples.start), id(samples.end.saturating_sub(1)));
        let whole = u64::from(last - first) + 1 == count as u64;
        let ids = self.gaps.as_ref().filter(|_| !whole).and_then(|ids| ids.get(samples));
        Self { first, last, gaps: ids.map(<[u32]>::to_vec) }
    }

    /// The place of the samples at some indexes, ascending, at least one.
    pub(super) fn pick(&self, indexes: &[usize]) -> Self {
        let ids: Vec<u32> = indexes.iter().map(|&index| self.scrape(index) as u32).collect();
        let (first, last) =
            (ids.first().copied().unwrap_or(self.first), ids.last().copied().unwrap_or(self.last));
        let whole = u64::from(last - first) + 1 == ids.len() as u64;
        Self { first, last, gaps: (!whole).then_some(ids) }
    }

    /// From its first to its last.
    pub(super) fn range(&self) -> ScrapeRange {
        ScrapeRange { first: self.first, last: self.last }
    }

    /// The scrape of the sample at `index`.
    pub(super) fn scrape(&self, index: usize) -> i32 {
        let id = match &self.gaps {
            Some(ids) => ids.get(index).copied().unwrap_or(self.last),
            None => self.first + index as u32,
        };
        id as i32
    }
}

struct Group {
    first: u32,
    times: Arc<[TimestampMs]>,
    used: u64,
}

/// Writes `scrapes.parquet` and finds the times that are in it already.
///
/// Groups are kept in memory up to a budget; one that was forgotten is only stored a second time, so that
/// exporters with times of their own cost disk and not memory.
pub(super) struct Scrapes {
    output: Output,
    schema: SchemaRef,
    written: i32,
    groups_of_rows: Vec<i32>,
    times: Vec<i64>,
    rows: u32,
    group_count: u32,
    groups: HashMap<u64, Group>,
    recent: VecDeque<u64>,
    held: usize,
    budget: usize,
    clock: u64,
}

impl Scrapes {
    pub(super) fn create(dir: &Path, config: &WriterConfig) -> Result<Self, BlockError> {
        let schema = schema::scrapes();
        let properties = schema::scrape_properties(config);
        Ok(Self {
            output: Output::create(dir, SCRAPES, Arc::clone(&schema), properties)?,
            schema,
            written: 0,
            groups_of_rows: Vec::new(),
            times: Vec::new(),
            rows: 0,
            group_count: 0,
            groups: HashMap::new(),
            recent: VecDeque::new(),
            held: 0,
            budget: config.scrape_memory,
            clock: 0,
        })
    }

    /// Rows so far.
    pub(super) fn rows(&self) -> u32 {
        self.rows
    }

    /// The place of a vector of times, which is not empty and strictly ascending.
    pub(super) fn place(&mut self, times: &Arc<[TimestampMs]>) -> Result<Placed, BlockError> {
        self.clock += 1;
        let hash = hash(times);
        if let Some(group) = self.groups.get_mut(&hash)
            && (Arc::ptr_eq(&group.times, times) || group.times == *times)
        {
            group.used = self.clock;
            let first = group.first;
            self.remember(hash);
            return Ok(contiguous(first, times.len()));
        }
        for index in 0..self.recent.len() {
            let neighbour = self.recent.get(index).copied();
            let group = neighbour.and_then(|hash| self.groups.get_mut(&hash));
            if let Some(group) = group
                && let Some(placed) = part_of(group, times)
            {
                group.used = self.clock;
                return Ok(placed);
            }
        }
        self.add(hash, times)
    }

    fn add(&mut self, hash: u64, times: &Arc<[TimestampMs]>) -> Result<Placed, BlockError> {
        let first = self.rows;
        let count = u32::try_from(times.len()).ok();
        let end = count.and_then(|count| first.checked_add(count));
        let end = end
            .filter(|&end| end <= i32::MAX as u32)
            .ok_or(BlockError::TooLarge { what: "too many distinct scrape times", limit: i32::MAX as u64 })?;
        self.rows = end;
        times.chunks(BATCH).try_for_each(|piece| self.append(piece))?;
        self.group_count += 1;
        self.keep(hash, first, times);
        Ok(contiguous(first, times.len()))
    }

    fn append(&mut self, piece: &[TimestampMs]) -> Result<(), BlockError> {
        self.times.extend_from_slice(piece);
        self.groups_of_rows.resize(self.times.len(), self.group_count as i32);
        if self.times.len() >= BATCH { self.flush() } else { Ok(()) }
    }

    fn keep(&mut self, hash: u64, first: u32, times: &Arc<[TimestampMs]>) {
        if times.len() > self.budget {
            return;
        }
        if self.held + times.len() > self.budget {
            self.forget();
        }
        let group = Group { first, times: Arc::clone(times), used: self.clock };
        self.held += times.len();
        if let Some(replaced) = self.groups.insert(hash, group) {
            self.held -= replaced.times.len();
        }
        self.remember(hash);
    }

    /// Forgets the half of the groups that was not used for longest.
    fn forget(&mut self) {
        let mut used: Vec<u64> = self.groups.values().map(|group| group.used).collect();
        let middle = used.len() / 2;
        let (_, &mut threshold, _) = used.select_nth_unstable(middle);
        self.groups.retain(|_, group| group.used > threshold);
        self.held = self.groups.values().map(|group| group.times.len()).sum();
    }

    fn remember(&mut self, hash: u64) {
        if self.recent.front() == Some(&hash) {
            return;
        }
        self.recent.retain(|&known| known != hash);
        self.recent.push_front(hash);
        self.recent.truncate(NEIGHBOURS);
    }

    fn flush(&mut self) -> Result<(), BlockError> {
        let start = self.written;
        self.written += self.times.len() as i32;
        let columns: Vec<ArrayRef> = vec![
            Arc::new(Int32Array::from_iter_values(start..self.written)),
            Arc::new(Int32Array::from(std::mem::take(&mut self.groups_of_rows))),
            Arc::new(Int64Array::from(std::mem::take(&mut self.times))),
        ];
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), columns);
        let batch = batch.map_err(|error| BlockError::encode(SCRAPES, &error.into()))?;
        self.output.write(&batch)
    }

    pub(super) fn finish(mut self) -> Result<Finished, BlockError> {
        if !self.times.is_empty() {
            self.flush()?;
        }
        self.output.finish()
    }
}

fn hash(times: &[TimestampMs]) -> u64 {
    FixedState::default().hash_one(times)
}

fn contiguous(first: u32, count: usize) -> Placed {
    Placed { first, last: first + (count - 1) as u32, gaps: None }
}

/// The place of times that are all in a group, unless more than half of the group's are missing.
fn part_of(group: &Group, times: &[TimestampMs]) -> Option<Placed> {
    let (first, last) = (times.first()?, times.last()?);
    let start = group.times.binary_search(first).ok()?;
    let end = group.times.binary_search(last).ok()?;
    let extent = group.times.get(start..=end)?;
    if times.len() == extent.len() {
        return (times == extent).then(|| contiguous(group.first + start as u32, times.len()));
    }
    if times.len() > extent.len() || times.len() * 2 < extent.len() {
        return None;
    }
    let mut wanted = times.iter().peekable();
    let found = extent.iter().zip(group.first + start as u32..);
    let ids = found.filter_map(|(time, id)| wanted.next_if_eq(&time).map(|_| id));
    let ids: Vec<u32> = ids.collect();
    (ids.len() == times.len()).then(|| Placed {
        first: group.first + start as u32,
        last: group.first + end as u32,
        gaps: Some(ids),
    })
}
