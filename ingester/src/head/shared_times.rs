//! Times of series that are read one after another: those of one target are scraped together, so they share one vector.
//!
//! Packed times that are equal are equal bytes: those of a series whose like was seen are not even unpacked.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use foldhash::fast::FixedState;
use latewood_model::{TimeRange, TimestampMs};

use super::sealed_chunk::SealedChunk;

/// Vectors that are remembered.
const MAX_KNOWN: usize = 1024;

/// Times that these have together, 8 bytes each.
const MAX_HELD: usize = 1 << 18;

/// The times in a range of the series that were read. One to a reader.
#[derive(Debug)]
pub(super) struct SharedTimes {
    range: TimeRange,
    /// By where the packed times begin and end, and where the others begin.
    known: HashMap<[TimestampMs; 3], KnownTimes, FixedState>,
}

/// A vector of times.
#[derive(Debug, Default)]
pub(super) struct KnownTimes {
    /// What its first `packed` times are packed in, and which places of these are in the range.
    pieces: Vec<(SealedChunk, Range<usize>)>,
    packed: usize,
    times: Arc<[TimestampMs]>,
}

impl SharedTimes {
    /// Of samples in a range.
    pub(super) fn new(range: TimeRange) -> Self {
        Self { range, known: HashMap::default() }
    }

    /// The range.
    pub(super) fn range(&self) -> TimeRange {
        self.range
    }

    /// The vector that begins with what is in the range of chunks, and goes on with times from `next` on. The chunks have
    /// columns and follow one another.
    pub(super) fn of<'a>(
        &mut self,
        chunks: impl Iterator<Item = &'a SealedChunk> + Clone,
        next: TimestampMs,
    ) -> &mut KnownTimes {
        let begin = chunks.clone().next().map_or(TimestampMs::MIN, |chunk| chunk.span().start);
        let end = chunks.clone().last().map_or(TimestampMs::MIN, |chunk| chunk.span().end);
        let key = [begin, end, next];
        if !self.known.contains_key(&key) {
            self.make_room();
        }
        let known = self.known.entry(key).or_default();
        if !known.is_of(chunks.clone()) {
            *known = KnownTimes::unpack(chunks, self.range);
        }
        known
    }

    fn make_room(&mut self) {
        let held = || self.known.values().map(|known| known.times.len()).sum::<usize>();
        if self.known.len() >= MAX_KNOWN || held() > MAX_HELD {
            self.known.clear();
        }
    }

    /// The vector of times that are at hand.
    pub(super) fn share(&mut self, times: &[TimestampMs]) -> Arc<[TimestampMs]> {
        let Some(&first) = times.first() else { return Arc::default() };
        self.of(std::iter::empty(), first).followed_by(times)
    }
}

impl KnownTimes {
    fn is_of<'a>(&self, chunks: impl Iterator<Item = &'a SealedChunk>) -> bool {
        let mut pieces = self.pieces.iter();
        let mut chunks = chunks;
        chunks.all(|chunk| pieces.next().is_some_and(|piece| chunk.has_times_of(&piece.0)))
            && pieces.next().is_none()
    }

    fn unpack<'a>(chunks: impl Iterator<Item = &'a SealedChunk>, range: TimeRange) -> Self {
        let (mut times, mut pieces) = (Vec::new(), Vec::new());
        for chunk in chunks {
            let mut all = Vec::with_capacity(chunk.count() as usize);
            chunk.times(&mut all);
            let places =
                all.partition_point(|at| *at < range.start)..all.partition_point(|at| *at <= range.end);
            times.extend_from_slice(all.get(places.clone()).unwrap_or_default());
            pieces.push((chunk.clone(), places));
        }
        Self { pieces, packed: times.len(), times: times.into() }
    }

    /// How many times are packed in chunks.
    pub(super) fn packed(&self) -> usize {
        self.packed
    }

    /// The places of each chunk that are in the range.
    pub(super) fn places(&self) -> impl Iterator<Item = Range<usize>> {
        self.pieces.iter().map(|piece| piece.1.clone())
    }

    /// The whole vector, with these times behind those of the chunks.
    pub(super) fn followed_by(&mut self, rest: &[TimestampMs]) -> Arc<[TimestampMs]> {
        let (packed, known) = self.times.split_at_checked(self.packed).unwrap_or_default();
        if known != rest {
            self.times = [packed, rest].concat().into();
        }
        Arc::clone(&self.times)
    }
}

#[cfg(test)]
mod tests {
    use latewood_model::{NO_START, Sample};

    use super::super::started::StartedSamples;
    use super::*;

    fn chunk(times: impl Iterator<Item = i64>, scale: i64) -> SealedChunk {
        let mut samples = StartedSamples::default();
        for timestamp in times {
            let value = (timestamp * 7919 % 1009 * scale) as f64;
            samples.push(Sample { timestamp, value }, NO_START);
        }
        let chunk = SealedChunk::pack(&samples);
        assert!(chunk.has_columns());
        chunk
    }

    #[test]
    fn equal_times_are_one_vector_and_others_are_not() {
        let even = || (0..100).map(|n| n * 10);
        let late_once = || even().map(|at| if at == 500 { 501 } else { at });
        let mut times = SharedTimes::new(TimeRange::new(5, 2_000));
        let mut of =
            |chunk: &SealedChunk, rest: &[i64]| times.of(std::iter::once(chunk), 1_000).followed_by(rest);
        let first = of(&chunk(even(), 1), &[1_000, 1_010]);
        assert!(first.iter().copied().eq((1..102).map(|n| n * 10)));
        assert!(Arc::ptr_eq(&first, &of(&chunk(even(), 2), &[1_000, 1_010])));
        let longer = of(&chunk(even(), 2), &[1_000, 1_010, 1_020]);
        assert!(longer.iter().copied().eq((1..103).map(|n| n * 10)));
        let other = of(&chunk(late_once(), 1), &[]);
        assert!(other.iter().copied().eq(late_once().skip(1)));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut times = SharedTimes::new(TimeRange::ALL);
        for number in 0..10_000 {
            assert_eq!(*times.share(&[number, number + 1]), [number, number + 1]);
        }
        assert!(times.known.len() <= MAX_KNOWN);
        let long: Vec<i64> = (0..MAX_HELD as i64).collect();
        (0..10).for_each(|at| drop(times.share(&long[at..])));
        assert!(times.known.len() < 3);
    }
}
