//! The samples of one series, gathered from its chunks.

use std::mem;

use latewood_model::{
    HistogramSample, Labels, NativeHistogram, Sample, SeriesSamples, StartTimestamps, TimestampMs,
    merge_histograms, merge_into,
};

use crate::chunk::{Fault, Sink};
use crate::index::ChunkMeta;
use crate::limits::SERIES_SAMPLES;
use crate::tombstones::Deleted;

/// What has a time.
trait Timed {
    fn time(&self) -> TimestampMs;
}

impl Timed for Sample {
    fn time(&self) -> TimestampMs {
        self.timestamp
    }
}

impl Timed for HistogramSample {
    fn time(&self) -> TimestampMs {
        self.timestamp
    }
}

/// Samples of one kind as runs that ascend: one, unless chunks overlap.
#[derive(Debug)]
struct Runs<T> {
    done: Vec<Vec<T>>,
    open: Vec<T>,
}

impl<T> Default for Runs<T> {
    fn default() -> Self {
        Self { done: Vec::new(), open: Vec::new() }
    }
}

impl<T: Timed> Runs<T> {
    /// Whether a sample of this time continues the run that is open.
    fn continues(&self, at: TimestampMs) -> bool {
        self.open.last().is_none_or(|last| last.time() < at)
    }

    fn push(&mut self, sample: T) {
        if !self.continues(sample.time()) {
            self.done.push(mem::take(&mut self.open));
        }
        self.open.push(sample);
    }

    /// All runs as one; two at a time, so that many small ones are not merged into a long one again and again.
    fn merged(self, merge: impl Fn(Vec<T>, Vec<T>) -> Vec<T>) -> Vec<T> {
        let mut runs = self.done;
        runs.push(self.open);
        while runs.len() > 1 {
            let mut pairs = mem::take(&mut runs).into_iter();
            while let Some(first) = pairs.next() {
                runs.push(match pairs.next() {
                    Some(second) => merge(first, second),
                    None => first,
                });
            }
        }
        runs.pop().unwrap_or_default()
    }
}

/// Takes what chunks hold of a series.
#[derive(Debug, Default)]
pub(crate) struct Gathered {
    floats: Runs<Sample>,
    histograms: Runs<HistogramSample>,
    /// How many floats take about as much memory.
    weight: u64,
}

impl Gathered {
    /// Takes the samples of one chunk, but for deleted ones.
    pub(crate) fn chunk<'a>(&'a mut self, meta: &'a ChunkMeta, deleted: Deleted<'a>) -> ChunkSink<'a> {
        ChunkSink { gathered: self, meta, deleted, follows: true }
    }

    /// The series; without samples, if all were deleted.
    pub(crate) fn finish(self, labels: Labels) -> SeriesSamples {
        let floats = self.floats.merged(|a, b| {
            let mut merged = Vec::new();
            merge_into(&a, &b, &mut merged);
            merged
        });
        let histograms = self.histograms.merged(|a, b| {
            let mut merged = Vec::new();
            merge_histograms(a, b, &mut merged);
            merged
        });
        let mut series = SeriesSamples {
            labels,
            timestamps: floats.iter().map(|sample| sample.timestamp).collect(),
            values: floats.iter().map(|sample| sample.value).collect(),
            starts: StartTimestamps::none(),
            histograms,
        };
        series.resolve_kinds();
        series
    }
}

/// Takes the samples of one chunk.
pub(crate) struct ChunkSink<'a> {
    gathered: &'a mut Gathered,
    meta: &'a ChunkMeta,
    deleted: Deleted<'a>,
    /// Whether the histogram before in the chunk was taken: the hint of the next one is about it. That of a chunk's
    /// first one is about none.
    follows: bool,
}

impl ChunkSink<'_> {
    /// Whether a sample stays.
    fn stays(&mut self, at: TimestampMs, weight: usize) -> Result<bool, Fault> {
        if at < self.meta.min_time || at > self.meta.max_time {
            let (from, to) = (self.meta.min_time, self.meta.max_time);
            let problem = format!("a sample at {at} is in a chunk that is said to be from {from} to {to}");
            return Err(Fault::Damaged(problem));
        }
        if self.deleted.contains(at) {
            return Ok(false);
        }
        self.gathered.weight += weight as u64;
        if self.gathered.weight > SERIES_SAMPLES {
            return Err(Fault::TooLarge("a series with more samples".to_owned(), SERIES_SAMPLES));
        }
        Ok(true)
    }
}

impl Sink for ChunkSink<'_> {
    fn float(&mut self, at: TimestampMs, value: f64) -> Result<(), Fault> {
        if self.stays(at, 1)? {
            self.gathered.floats.push(Sample { timestamp: at, value });
        }
        Ok(())
    }

    fn histogram(&mut self, at: TimestampMs, histogram: NativeHistogram) -> Result<(), Fault> {
        let sample = HistogramSample::new(at, histogram);
        let stays = self.stays(at, sample.weight())?;
        let follows = mem::replace(&mut self.follows, stays);
        if !stays {
            return Ok(());
        }
        let runs = &mut self.gathered.histograms;
        let is_hinted = follows && runs.continues(at);
        let histogram = if is_hinted { sample.histogram } else { sample.histogram.without_hint() };
        runs.push(HistogramSample { histogram, ..sample });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use latewood_model::TimeRange;
    use latewood_model::histogram::{IntegerHistogram, ResetHint};

    use super::*;
    use crate::tombstones::Tombstones;

    const META: ChunkMeta = ChunkMeta { reference: 0, min_time: 0, max_time: 100 };

    fn hinted(count: u64) -> NativeHistogram {
        let reset_hint = ResetHint::NoReset;
        IntegerHistogram { count, zero_count: count, reset_hint, ..IntegerHistogram::default() }.into()
    }

    fn gather(chunks: &[&[i64]], deleted: &[TimeRange]) -> SeriesSamples {
        let stones = Tombstones::with(1, deleted.to_vec());
        let mut gathered = Gathered::default();
        for (number, times) in chunks.iter().enumerate() {
            let mut sink = gathered.chunk(&META, stones.of(1));
            for &at in *times {
                sink.float(at, (number * 1000) as f64 + at as f64).unwrap();
                sink.histogram(at + 50, hinted(at as u64)).unwrap();
            }
        }
        gathered.finish(Labels::empty())
    }

    fn hints(series: &SeriesSamples) -> Vec<(i64, ResetHint)> {
        let hint = |sample: &HistogramSample| sample.histogram.to_float().reset_hint;
        series.histograms.iter().map(|sample| (sample.timestamp, hint(sample))).collect()
    }

    #[test]
    fn overlapping_chunks_become_one_run_by_the_tie_rule() {
        let series = gather(&[&[1, 3, 5], &[2, 3, 9], &[10], &[4]], &[]);
        assert_eq!(*series.timestamps, [1, 2, 3, 4, 5, 9, 10]);
        assert_eq!(series.values, [1.0, 1002.0, 1003.0, 3004.0, 5.0, 1009.0, 2010.0]);
        use ResetHint::{NoReset, Unknown};
        assert_eq!(hints(&series)[..3], [(51, NoReset), (52, Unknown), (53, NoReset)]);
        assert_eq!(hints(&series)[3..5], [(54, Unknown), (55, Unknown)]);
    }

    #[test]
    fn after_a_deletion_nothing_is_known_of_resets() {
        let series = gather(&[&[1, 2, 3, 4]], &[TimeRange::new(2, 2), TimeRange::new(52, 52)]);
        assert_eq!(*series.timestamps, [1, 3, 4]);
        use ResetHint::{NoReset, Unknown};
        assert_eq!(hints(&series), [(51, NoReset), (53, Unknown), (54, NoReset)]);
        assert!(gather(&[&[1]], &[TimeRange::ALL]).is_empty());
    }

    #[test]
    fn a_sample_outside_of_its_chunk_is_damage() {
        let mut gathered = Gathered::default();
        let mut sink = gathered.chunk(&META, Deleted::default());
        assert!(matches!(sink.float(101, 0.0), Err(Fault::Damaged(_))));
    }
}
