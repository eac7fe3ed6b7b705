//! The samples of one series of a generation.
//!
//! Samples that come in order are packed in place; those that come late, or a second time with another
//! value, are kept aside and merged by the tie rule when they are read. Nothing is lost and nothing is
//! decided here: a reader gets each time once whatever the order of arrival was.

use latewood_model::{HistogramSample, Sample, TimeRange, TimestampMs, preferred};

use super::chunk::{OpenChunk, SealedChunk};
use super::histograms::{Histograms, HistogramsSnapshot};

/// A chunk of this many bytes is sealed, so that reading a short range of a long generation is cheap.
const SEAL_AT_BYTES: usize = 1024;

/// This many late samples are packed into a chunk of their own.
const PACK_LATE_AT: usize = 128;

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
    late: Vec<Sample>,
    /// The span of both.
    span: TimeRange,
    /// Native histograms: few series have any, and those that do have nothing else.
    histograms: Option<Box<Histograms>>,
}

impl Default for Aside {
    fn default() -> Self {
        Self { sealed: Vec::new(), late: Vec::new(), span: TimeRange::EMPTY, histograms: None }
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
    pub(super) fn push(&mut self, sample: Sample) -> (Appended, isize) {
        let before = self.open.capacity();
        if let Some(last) = self.open.last() {
            if sample.timestamp == last.timestamp
                && preferred(last.value, sample.value).to_bits() == last.value.to_bits()
            {
                return (Appended::Duplicate, 0);
            }
            if sample.timestamp <= last.timestamp {
                return (Appended::Late, self.push_late(sample));
            }
        } else if self.aside.as_ref().is_some_and(|aside| aside.span.end >= sample.timestamp) {
            return (Appended::Late, self.push_late(sample));
        }
        self.open.push(sample);
        let mut grown = self.open.capacity() as isize - before as isize;
        if self.open.len() >= SEAL_AT_BYTES {
            grown += self.seal();
        }
        (Appended::InOrder, grown)
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
        let open = std::mem::take(&mut self.open);
        self.aside_grows(|aside| {
            aside.span = aside.span.union(open.span());
            aside.sealed.push(open.snapshot());
        }) - open.capacity() as isize
    }

    fn push_late(&mut self, sample: Sample) -> isize {
        self.aside_grows(|aside| {
            aside.span.include(sample.timestamp);
            aside.late.push(sample);
            if aside.late.len() >= PACK_LATE_AT {
                let mut late = std::mem::take(&mut aside.late);
                put_in_order(&mut late);
                aside.sealed.push(SealedChunk::pack(&late));
            }
        })
    }

    fn aside_grows(&mut self, change: impl FnOnce(&mut Aside)) -> isize {
        let before = self.aside.as_ref().map_or(0, |aside| aside.heap_size());
        let aside = self.aside.get_or_insert_default();
        change(aside);
        aside.heap_size() as isize - before as isize
    }

    /// The span of all times.
    pub(super) fn span(&self) -> TimeRange {
        let open = self.open.span();
        let floats = self.aside.as_ref().map_or(open, |aside| open.union(aside.span));
        self.histograms().map_or(floats, |histograms| floats.union(histograms.span()))
    }

    /// How many chunks.
    pub(super) fn chunks(&self) -> usize {
        let sealed = self.aside.as_ref().map_or(0, |aside| aside.sealed.len());
        usize::from(self.open.count() > 0) + sealed + self.histograms().map_or(0, Histograms::chunks)
    }

    /// What a reader of the newest sample of a range needs: that sample where it is at hand, else all.
    pub(super) fn newest(&self, range: TimeRange) -> SamplesSnapshot {
        let rest = self.aside.as_ref().map_or(TimeRange::EMPTY, |aside| aside.span);
        let rest = self.histograms().map_or(rest, |histograms| rest.union(histograms.span()));
        match self.open.last() {
            Some(last) if rest.end < last.timestamp && range.contains(last.timestamp) => {
                SamplesSnapshot { late: vec![last], ..SamplesSnapshot::default() }
            }
            _ => self.snapshot(range),
        }
    }

    /// What a reader of a range needs, to be unpacked without a lock.
    pub(super) fn snapshot(&self, range: TimeRange) -> SamplesSnapshot {
        let mut snapshot = SamplesSnapshot::default();
        if let Some(aside) = &self.aside {
            let sealed = aside.sealed.iter().filter(|chunk| chunk.span().overlaps(range));
            snapshot.chunks.extend(sealed.cloned());
            let late = aside.late.iter().filter(|sample| range.contains(sample.timestamp));
            snapshot.late.extend(late);
        }
        if let Some(histograms) = self.histograms() {
            snapshot.histograms = histograms.snapshot(range);
        }
        if self.open.span().overlaps(range) {
            snapshot.chunks.push(self.open.snapshot());
        }
        snapshot
    }
}

impl Aside {
    fn heap_size(&self) -> usize {
        size_of::<Self>()
            + self.sealed.capacity() * size_of::<SealedChunk>()
            + self.late.capacity() * size_of::<Sample>()
            + self.sealed.iter().map(SealedChunk::heap_size).sum::<usize>()
    }
}

/// The samples of one series as they stood at one moment.
#[derive(Debug, Default)]
pub(super) struct SamplesSnapshot {
    chunks: Vec<SealedChunk>,
    late: Vec<Sample>,
    histograms: HistogramsSnapshot,
}

impl SamplesSnapshot {
    /// The native histograms within a range: ascending, each time once.
    pub(super) fn read_histograms(&self, range: TimeRange) -> Vec<HistogramSample> {
        self.histograms.read(range)
    }

    /// Times and values of the samples within a range: ascending, each time once.
    pub(super) fn read(&self, range: TimeRange) -> (Vec<TimestampMs>, Vec<f64>) {
        let most = self.chunks.iter().map(|chunk| chunk.count() as usize).sum::<usize>() + self.late.len();
        let (mut times, mut values) = (Vec::with_capacity(most), Vec::with_capacity(most));
        for chunk in &self.chunks {
            chunk.read(range, |sample| {
                times.push(sample.timestamp);
                values.push(sample.value);
            });
        }
        if self.late.is_empty() && times.is_sorted_by(|a, b| a < b) {
            return (times, values);
        }
        let packed = times.into_iter().zip(values);
        let packed = packed.map(|(timestamp, value)| Sample { timestamp, value });
        let mut samples: Vec<Sample> = packed.chain(self.late.iter().copied()).collect();
        put_in_order(&mut samples);
        samples.into_iter().map(|sample| (sample.timestamp, sample.value)).unzip()
    }

    /// At most how many samples it holds; a histogram counts for as many as take its memory.
    pub(super) fn weight(&self) -> usize {
        let floats: usize = self.chunks.iter().map(|chunk| chunk.count() as usize).sum();
        floats + self.late.len() + self.histograms.weight()
    }
}

/// Sorts by time and leaves of each time the one that the tie rule prefers.
fn put_in_order(samples: &mut Vec<Sample>) {
    if samples.is_sorted_by(|a, b| a.timestamp < b.timestamp) {
        return;
    }
    samples.sort_by_key(|sample| sample.timestamp);
    samples.dedup_by(|later, kept| {
        let same = later.timestamp == kept.timestamp;
        if same {
            kept.value = preferred(kept.value, later.value);
        }
        same
    });
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Whatever the order, the repetitions and the values, what is read is what a map with the tie
        /// rule holds, and the memory is accounted for exactly.
        #[test]
        fn reads_equal_a_sorted_map(
            arrivals in prop::collection::vec(
                (prop_oneof![4 => -50i64..2000, 1 => any::<i64>()], prop_oneof![Just(latewood_model::STALE_NAN_BITS), any::<u64>(), 0u64..3]),
                0..700),
            ascending in any::<bool>(),
            (start, end) in (-100i64..2100, -100i64..2100),
        ) {
            let mut arrivals = arrivals;
            if ascending {
                arrivals.sort_by_key(|arrival| arrival.0);
            }
            let mut model: BTreeMap<i64, f64> = BTreeMap::new();
            let (mut samples, mut heap) = (Samples::default(), 0);
            for (timestamp, bits) in arrivals {
                let value = f64::from_bits(bits);
                heap += samples.push(Sample { timestamp, value }).1;
                let stands = model.entry(timestamp).or_insert(value);
                *stands = preferred(*stands, value);
            }
            for range in [TimeRange::ALL, TimeRange::new(start, end)] {
                let newest = samples.newest(range).read(range);
                let expected = model.iter().rfind(|entry| range.contains(*entry.0));
                prop_assert_eq!(newest.0.last(), expected.map(|entry| entry.0));
                prop_assert_eq!(newest.1.last().map(|value| value.to_bits()), expected.map(|entry| entry.1.to_bits()));
                let (times, values) = samples.snapshot(range).read(range);
                let read = times.into_iter().zip(values);
                let read: Vec<_> = read.map(|(timestamp, value)| Sample { timestamp, value }).collect();
                let expected: Vec<_> = model.iter().filter(|entry| range.contains(*entry.0))
                    .map(|(&timestamp, &value)| Sample { timestamp, value }).collect();
                prop_assert_eq!(read, expected);
            }
            let counted = samples.open.capacity() + samples.aside.as_ref().map_or(0, |aside| aside.heap_size());
            prop_assert_eq!(heap, counted as isize);
            let span = samples.span();
            prop_assert_eq!(model.keys().next().copied().unwrap_or(i64::MAX), span.start);
            prop_assert_eq!(model.keys().last().copied().unwrap_or(i64::MIN), span.end);
        }
    }
}
