//! The native histograms of one series of a generation: as with floats, those that come in order are packed
//! in place, and those that come late or twice are kept aside and merged by the tie rule when they are read.

use latewood_model::{HistogramSample, TimeRange, preferred_histogram};

use super::histogram_chunk::{OpenHistograms, SealedHistograms};
use super::series::Appended;
use crate::write::settle_histograms;

/// A run of this many bytes is sealed.
const SEAL_AT_BYTES: usize = 4096;

/// This many late histograms are packed into a run of their own.
const PACK_LATE_AT: usize = 32;

/// The native histograms of one series.
#[derive(Debug)]
pub(super) struct Histograms {
    open: OpenHistograms,
    /// Runs in order of their sealing; their spans overlap where histograms came late.
    sealed: Vec<SealedHistograms>,
    /// Late ones in order of arrival.
    late: Vec<HistogramSample>,
    /// The span of all.
    span: TimeRange,
}

impl Default for Histograms {
    fn default() -> Self {
        Self { open: OpenHistograms::default(), sealed: Vec::new(), late: Vec::new(), span: TimeRange::EMPTY }
    }
}

impl Histograms {
    /// Takes a histogram and says where it went and by how many bytes of memory the series grew.
    pub(super) fn push(&mut self, sample: HistogramSample) -> (Appended, isize) {
        if let Some(last) = self.open.last() {
            if sample.timestamp == last.timestamp
                && preferred_histogram(last.clone(), sample.clone()) == *last
            {
                return (Appended::Duplicate, 0);
            }
            if sample.timestamp <= last.timestamp {
                return (Appended::Late, self.push_late(sample));
            }
        } else if self.span.end >= sample.timestamp {
            return (Appended::Late, self.push_late(sample));
        }
        let before = self.open.heap_size() as isize;
        self.span.include(sample.timestamp);
        self.open.push(sample);
        let mut grown = self.open.heap_size() as isize - before;
        if self.open.len() >= SEAL_AT_BYTES {
            let open = std::mem::take(&mut self.open);
            grown += self.seal(open.snapshot()) - open.heap_size() as isize;
        }
        (Appended::InOrder, grown)
    }

    fn push_late(&mut self, sample: HistogramSample) -> isize {
        self.span.include(sample.timestamp);
        let before = self.late_heap();
        self.late.push(sample);
        let mut grown = 0;
        if self.late.len() >= PACK_LATE_AT {
            let mut late = std::mem::take(&mut self.late);
            settle_histograms(&mut late, 0);
            grown = self.seal(SealedHistograms::pack(late));
        }
        grown + self.late_heap() as isize - before as isize
    }

    fn late_heap(&self) -> usize {
        let heap: usize = self.late.iter().map(|sample| sample.histogram.heap_size()).sum();
        heap + self.late.capacity() * size_of::<HistogramSample>()
    }

    fn seal(&mut self, run: SealedHistograms) -> isize {
        let before = self.sealed.capacity();
        let heap = run.heap_size();
        self.sealed.push(run);
        (heap + (self.sealed.capacity() - before) * size_of::<SealedHistograms>()) as isize
    }

    /// The span of all times.
    pub(super) fn span(&self) -> TimeRange {
        self.span
    }

    /// How many runs.
    pub(super) fn chunks(&self) -> usize {
        usize::from(self.open.count() > 0) + self.sealed.len()
    }

    /// Bytes of memory beside its own.
    #[cfg(test)]
    pub(super) fn heap_size(&self) -> usize {
        self.open.heap_size()
            + self.late_heap()
            + self.sealed.capacity() * size_of::<SealedHistograms>()
            + self.sealed.iter().map(SealedHistograms::heap_size).sum::<usize>()
    }

    /// What a reader of a range needs, to be unpacked without a lock.
    pub(super) fn snapshot(&self, range: TimeRange) -> HistogramsSnapshot {
        let sealed = self.sealed.iter().filter(|run| run.span().overlaps(range)).cloned();
        let open = self.open.span().overlaps(range).then(|| self.open.snapshot());
        let late = self.late.iter().filter(|sample| range.contains(sample.timestamp)).cloned();
        HistogramsSnapshot { chunks: sealed.chain(open).collect(), late: late.collect() }
    }
}

/// The histograms of one series as they stood at one moment.
#[derive(Debug, Default)]
pub(super) struct HistogramsSnapshot {
    chunks: Vec<SealedHistograms>,
    late: Vec<HistogramSample>,
}

impl HistogramsSnapshot {
    /// The histograms within a range: ascending, each time once.
    pub(super) fn read(&self, range: TimeRange) -> Vec<HistogramSample> {
        let mut out = Vec::new();
        for chunk in &self.chunks {
            chunk.read_into(range, &mut out);
        }
        out.extend_from_slice(&self.late);
        settle_histograms(&mut out, 0);
        out
    }

    /// At most how many floats take as much memory.
    pub(super) fn weight(&self) -> usize {
        let late = self.late.iter().map(HistogramSample::weight).sum::<usize>();
        self.chunks.iter().map(SealedHistograms::weight).sum::<usize>() + late
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::journal::any_histogram;

    proptest! {
        /// As a map with the tie rule, whatever the order; memory is accounted for exactly.
        #[test]
        fn reads_equal_a_sorted_map(
            arrivals in prop::collection::vec((prop_oneof![4 => -50i64..300, 1 => any::<i64>()], any_histogram(), prop_oneof![2 => Just(0), 1 => 0..3_i64, 1 => any::<i64>()]), 0..120),
            ascending in any::<bool>(),
            (start, end) in (-100i64..310, -100i64..310),
        ) {
            let mut arrivals = arrivals;
            if ascending {
                arrivals.sort_by_key(|arrival| arrival.0);
            }
            let mut model = BTreeMap::new();
            let (mut histograms, mut heap) = (Histograms::default(), 0);
            for (timestamp, histogram, start) in arrivals {
                let sample = HistogramSample { timestamp, histogram, start };
                heap += histograms.push(sample.clone()).1;
                let stands = model.entry(timestamp).or_insert_with(|| sample.clone());
                *stands = preferred_histogram(stands.clone(), sample);
            }
            for range in [TimeRange::ALL, TimeRange::new(start, end)] {
                let expected: Vec<_> = model.iter().filter(|entry| range.contains(*entry.0))
                    .map(|(_, sample)| sample.clone()).collect();
                prop_assert_eq!(histograms.snapshot(range).read(range), expected);
            }
            prop_assert_eq!(heap, histograms.heap_size() as isize);
            let ends = model.keys().next().zip(model.keys().last());
            let span = ends.map_or(TimeRange::EMPTY, |(&start, &end)| TimeRange::new(start, end));
            prop_assert_eq!(histograms.span(), span);
        }
    }
}
