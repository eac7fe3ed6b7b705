//! The samples of one series of a generation.
//!
//! Samples that come in order are packed in place; those that come late, or a second time with another
//! value, are kept aside and merged by the tie rule when they are read. Nothing is lost and nothing is
//! decided here: a reader gets each time once whatever the order of arrival was.

use latewood_model::{HistogramSample, NO_START, Sample, TimeRange, TimestampMs, preferred_started};
use latewood_proto::store::Detail;

use super::chunk::OpenChunk;
use super::histograms::Histograms;
use super::samples_read::SamplesRead;
use super::sealed_chunk::SealedChunk;
use super::shared_times::SharedTimes;
use super::started::StartedSamples;

/// A chunk of this many bytes is sealed, so that reading a short range of a long generation is cheap.
const SEAL_AT_BYTES: usize = 1024;

/// So is one of this many samples: from then on they are quicker to read, and mostly take less memory.
const SEAL_AT_SAMPLES: u32 = 120;

/// This many late samples are packed into a chunk of their own.
const PACK_LATE_AT: usize = 128;

/// Chunks of a series whose memory is brought near at once: the processor fetches what follows by itself.
const MAX_TOUCHED: usize = 4;

/// The samples of one series.
#[derive(Debug, Default)]
pub(super) struct Samples {
    open: OpenChunk,
    /// What most series never have.
    aside: Option<Box<Aside>>,
}

#[derive(Debug)]
struct Aside {
    /// Chunks in order of their sealing; their spans overlap where samples came late.
    sealed: Vec<SealedChunk>,
    /// Late samples in order of arrival.
    late: Option<Box<StartedSamples>>,
    /// The span of both.
    span: TimeRange,
    /// Native histograms: few series have any, and those that do have nothing else.
    histograms: Option<Box<Histograms>>,
}

impl Default for Aside {
    fn default() -> Self {
        Self { sealed: Vec::new(), late: None, span: TimeRange::EMPTY, histograms: None }
    }
}

/// Where an appended sample went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Appended {
    /// Behind the newest one.
    InOrder,
    /// Aside.
    Late,
    /// Nowhere: it was there, or lost against what is there.
    Duplicate,
}

impl Samples {
    /// Takes a sample and says where it went and by how many bytes of memory the series grew.
    pub(super) fn push(&mut self, sample: Sample, start: TimestampMs) -> (Appended, isize) {
        if let Some(last) = self.open.last() {
            if sample.timestamp == last.timestamp && !self.beats_last(last.value, sample.value, start) {
                return (Appended::Duplicate, 0);
            }
            if sample.timestamp <= last.timestamp {
                return (Appended::Late, self.push_late(sample, start));
            }
        } else if self.aside.as_ref().is_some_and(|aside| aside.span.end >= sample.timestamp) {
            return (Appended::Late, self.push_late(sample, start));
        }
        let mut grown = 0;
        if start != NO_START && !self.open.has_starts() {
            grown += self.begin_starts();
        }
        let before = self.open.capacity();
        self.open.push(sample, start);
        grown += self.open.capacity() as isize - before as isize;
        if self.open.len() >= SEAL_AT_BYTES || self.open.count() >= SEAL_AT_SAMPLES {
            grown += self.seal();
        }
        (Appended::InOrder, grown)
    }

    /// Whether a value and its start timestamp stand against those of the newest sample, at whose time they are.
    fn beats_last(&self, last: f64, value: f64, start: TimestampMs) -> bool {
        let last = (last, self.open.last_start());
        let (stands, its_start) = preferred_started(last, (value, start));
        (stands.to_bits(), its_start) != (last.0.to_bits(), last.1)
    }

    /// Goes on with a chunk that has start timestamps.
    fn begin_starts(&mut self) -> isize {
        let grown = if self.open.count() > 0 { self.seal() } else { -(self.open.capacity() as isize) };
        self.open = OpenChunk::with_starts();
        grown + self.open.capacity() as isize
    }

    /// Takes a native histogram, as [`Samples::push`] does a float.
    pub(super) fn push_histogram(&mut self, sample: HistogramSample) -> (Appended, isize) {
        let mut new = 0;
        if self.aside.is_none() {
            new += size_of::<Aside>();
        }
        let aside = self.aside.get_or_insert_default();
        if aside.histograms.is_none() {
            new += size_of::<Histograms>();
        }
        let (appended, grown) = aside.histograms.get_or_insert_default().push(sample);
        (appended, grown + new as isize)
    }

    fn histograms(&self) -> Option<&Histograms> {
        self.aside.as_ref()?.histograms.as_deref()
    }

    fn seal(&mut self) -> isize {
        let next = if self.open.has_starts() { OpenChunk::with_starts() } else { OpenChunk::default() };
        let open = std::mem::replace(&mut self.open, next);
        let grown = self.aside_grows(|aside| {
            aside.span = aside.span.union(open.span());
            aside.seal(open.seal());
        });
        grown + self.open.capacity() as isize - open.capacity() as isize
    }

    fn push_late(&mut self, sample: Sample, start: TimestampMs) -> isize {
        self.aside_grows(|aside| {
            aside.span.include(sample.timestamp);
            aside.late.get_or_insert_default().push(sample, start);
            if let Some(mut late) = aside.late.take_if(|late| late.len() >= PACK_LATE_AT) {
                late.put_in_order();
                aside.seal(SealedChunk::pack(&late));
            }
        })
    }

    fn aside_grows(&mut self, change: impl FnOnce(&mut Aside)) -> isize {
        let before = self.aside.as_ref().map_or(0, |aside| aside.heap_size());
        let aside = self.aside.get_or_insert_default();
        change(aside);
        aside.heap_size() as isize - before as isize
    }

    /// How deep [`Samples::touch`] goes.
    pub(super) const DEPTH: usize = 4;

    /// Reads from memory, so many steps away from here, what a read of a range will. What it says means nothing.
    pub(super) fn touch(&self, depth: usize, detail: Detail, range: TimeRange) -> usize {
        let sealed = || self.aside.iter().flat_map(|aside| &aside.sealed);
        let newest =
            || self.aside.iter().filter(|_| self.open.count() == 0).filter_map(|aside| aside.sealed.last());
        match (depth, detail) {
            (0, _) => self.open.len(),
            (1, Detail::Samples) if self.open.span().overlaps(range) => self.aside_len() + self.open.touch(),
            (1, _) => self.aside_len(),
            (2, Detail::Samples) => sealed().map(|chunk| chunk.count() as usize).sum(),
            (2, Detail::Newest) => newest().map(|chunk| chunk.count() as usize).sum(),
            (3, Detail::Samples) => {
                let read = sealed().filter(|chunk| chunk.span().overlaps(range));
                read.take(MAX_TOUCHED).map(SealedChunk::touch).sum()
            }
            (3, Detail::Newest) => newest().map(|chunk| usize::from(chunk.newest().is_some())).sum(),
            _ => 0,
        }
    }

    fn aside_len(&self) -> usize {
        self.aside.as_ref().map_or(0, |aside| aside.sealed.len())
    }

    /// The span of all times.
    pub(super) fn span(&self) -> TimeRange {
        let open = self.open.span();
        let floats = self.aside.as_ref().map_or(open, |aside| open.union(aside.span));
        self.histograms().map_or(floats, |histograms| floats.union(histograms.span()))
    }

    /// How many chunks.
    pub(super) fn chunks(&self) -> usize {
        usize::from(self.open.count() > 0)
            + self.aside_len()
            + self.histograms().map_or(0, Histograms::chunks)
    }

    /// The newest sample of a range, alone where it is at hand, else with others.
    pub(super) fn newest(&self, times: &mut SharedTimes) -> SamplesRead {
        let rest = self.aside.as_ref().map_or(TimeRange::EMPTY, |aside| aside.span);
        let rest = self.histograms().map_or(rest, |histograms| rest.union(histograms.span()));
        let newest = match self.open.last() {
            Some(last) if rest.end < last.timestamp => Some((last, self.open.last_start())),
            Some(_) => None,
            None => self.newest_sealed().map(|sample| (sample, NO_START)),
        };
        match newest.filter(|(sample, _)| times.range().contains(sample.timestamp)) {
            Some((sample, start)) => SamplesRead::of_one(sample, start, times),
            None => self.read(times),
        }
    }

    /// The newest sample of the chunk that was sealed last, if it is at hand and nothing is as new.
    fn newest_sealed(&self) -> Option<Sample> {
        let aside =
            self.aside.as_deref().filter(|aside| aside.late.is_none() && aside.histograms.is_none())?;
        let (last, before) = aside.sealed.split_last()?;
        before.iter().all(|chunk| chunk.span().end < last.span().end).then(|| last.newest())?
    }

    /// The samples within the range of some times.
    pub(super) fn read(&self, times: &mut SharedTimes) -> SamplesRead {
        let mut read = self.read_columns(times).unwrap_or_else(|| self.read_any(times));
        if let Some(histograms) = self.histograms() {
            read.histograms = histograms.snapshot(times.range());
        }
        read
    }

    /// The floats where all sealed chunks have columns and follow one another, as those of most series do.
    fn read_columns(&self, times: &mut SharedTimes) -> Option<SamplesRead> {
        let range = times.range();
        let aside = self.aside.as_deref().filter(|aside| aside.late.is_none())?;
        let sealed = aside.sealed.iter().filter(|chunk| chunk.span().overlaps(range));
        let mut end = TimestampMs::MIN;
        for chunk in sealed.clone() {
            if !chunk.has_columns() || chunk.span().start <= end {
                return None;
            }
            end = chunk.span().end;
        }
        let open = Some(&self.open).filter(|open| open.span().overlaps(range));
        if open.is_some_and(|open| open.has_starts() || open.span().start <= end) {
            return None;
        }
        let known = times.of(sealed.clone(), open.map_or(TimestampMs::MIN, |open| open.span().start));
        let room = known.packed() + open.map_or(0, |open| open.count() as usize);
        let mut values = Vec::with_capacity(room);
        for (chunk, places) in sealed.zip(known.places()) {
            chunk.values(places, &mut values);
        }
        let mut newer = StartedSamples::default();
        if let Some(open) = open {
            open.read(range, &mut newer);
        }
        values.extend_from_slice(newer.values());
        let timestamps = known.followed_by(newer.times());
        Some(SamplesRead { timestamps, values, ..SamplesRead::default() })
    }

    /// The floats, however they are kept.
    fn read_any(&self, times: &mut SharedTimes) -> SamplesRead {
        let range = times.range();
        let is_open_read = self.open.span().overlaps(range);
        let open = if is_open_read { self.open.count() as usize } else { 0 };
        let sealed = self.aside.iter().flat_map(|aside| &aside.sealed);
        let sealed = sealed.filter(|chunk| chunk.span().overlaps(range));
        let late = self.aside.as_ref().and_then(|aside| aside.late.as_ref());
        let room = sealed.clone().map(|chunk| chunk.count() as usize).sum::<usize>() + open;
        let mut floats = StartedSamples::with_room(room + late.map_or(0, |late| late.len()));
        sealed.for_each(|chunk| chunk.read(range, &mut floats));
        if is_open_read {
            self.open.read(range, &mut floats);
        }
        if let Some(late) = late {
            floats.extend_within(late, range);
        }
        floats.put_in_order();
        SamplesRead::new(floats, times)
    }
}

impl Aside {
    /// Adds a chunk. There are few, so that room for several more would cost more than to move them.
    fn seal(&mut self, chunk: SealedChunk) {
        if self.sealed.len() == self.sealed.capacity() {
            self.sealed.reserve_exact(1 + self.sealed.len() / 4);
        }
        self.sealed.push(chunk);
    }

    fn heap_size(&self) -> usize {
        size_of::<Self>()
            + self.sealed.capacity() * size_of::<SealedChunk>()
            + self.late.as_ref().map_or(0, |late| size_of::<StartedSamples>() + late.heap_size())
            + self.sealed.iter().map(SealedChunk::heap_size).sum::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Whatever the order, the repetitions, the values and the starts, what is read is what a map with the tie
        /// rule holds, and the memory is accounted for exactly.
        #[test]
        fn reads_equal_a_sorted_map(
            arrivals in prop::collection::vec(
                (prop_oneof![4 => -50i64..2000, 1 => any::<i64>()], prop_oneof![Just(latewood_model::STALE_NAN_BITS), any::<u64>(), 0u64..3],
                    prop_oneof![5 => Just(0), 2 => 0..3_i64, 1 => any::<i64>()]),
                0..700),
            (ascending, started, whole) in (any::<bool>(), any::<bool>(), any::<bool>()),
            (start, end) in (-100i64..2100, -100i64..2100),
        ) {
            let mut arrivals = arrivals;
            if ascending {
                arrivals.sort_by_key(|arrival| arrival.0);
            }
            let mut model: BTreeMap<i64, (f64, i64)> = BTreeMap::new();
            let (mut samples, mut heap) = (Samples::default(), 0);
            let ranges = [TimeRange::ALL, TimeRange::new(start, end)];
            // As a reader does who saw other times before.
            let mut times = ranges.map(SharedTimes::new);
            for (number, (timestamp, bits, start)) in arrivals.into_iter().enumerate() {
                if number % 128 == 127 {
                    times.iter_mut().for_each(|times| drop(samples.read(times)));
                }
                let value = if whole { (bits % 1000) as f64 } else { f64::from_bits(bits) };
                let start = if started { start } else { NO_START };
                heap += samples.push(Sample { timestamp, value }, start).1;
                let stands = model.entry(timestamp).or_insert((value, start));
                *stands = preferred_started(*stands, (value, start));
            }
            for (range, shared) in ranges.into_iter().zip(&mut times) {
                let SamplesRead { timestamps: times, values, starts, .. } = samples.newest(shared);
                let expected = model.iter().rfind(|entry| range.contains(*entry.0));
                let newest = times.last().zip(values.last()).map(|(&at, value)| (at, value.to_bits(), starts.at(at)));
                prop_assert_eq!(newest, expected.map(|(&at, &(value, start))| (at, value.to_bits(), start)));
                let read = samples.read(shared);
                let expected: Vec<_> = model.iter().filter(|entry| range.contains(*entry.0))
                    .map(|(&timestamp, &(value, start))| (Sample { timestamp, value }, start)).collect();
                let found = read.timestamps.iter().zip(&read.values);
                let found: Vec<_> = found.map(|(&timestamp, &value)| {
                    (Sample { timestamp, value }, read.starts.at(timestamp))
                }).collect();
                prop_assert_eq!(found, expected);
            }
            let counted = samples.open.capacity() + samples.aside.as_ref().map_or(0, |aside| aside.heap_size());
            prop_assert_eq!(heap, counted as isize);
            prop_assert!(started || !samples.open.has_starts());
            let span = samples.span();
            prop_assert_eq!(model.keys().next().copied().unwrap_or(i64::MAX), span.start);
            prop_assert_eq!(model.keys().last().copied().unwrap_or(i64::MIN), span.end);
        }
    }
}
