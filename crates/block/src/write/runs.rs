//! Which histograms of a series stand together in one span: pure.

use std::collections::BTreeSet;
use std::sync::Arc;

use latewood_model::histogram::{BucketCount, Histogram};
use latewood_model::{HistogramSample, NativeHistogram};

use crate::histogram_part::{HistogramPart, has_doubles};
use crate::span::{HistogramShape, Kind, SpanStarts};

/// How many times as many rows as there are numbers a run may have, besides [`FEW_ROWS`]: each histogram has a
/// row for each bucket that any of its run populates.
const MAX_SPARSENESS: usize = 4;

/// Rows that a run may have however few of them hold something.
const FEW_ROWS: usize = 1024;

/// Histograms that follow each other and have all but counts and sum in common.
#[derive(Debug)]
pub(super) struct Run<'a> {
    pub(super) kind: Kind,
    pub(super) shape: HistogramShape,
    /// At least one.
    pub(super) samples: &'a [HistogramSample],
    /// The numbers that any of them has, ascending.
    pub(super) parts: Vec<HistogramPart>,
}

impl Run<'_> {
    /// How many rows it takes.
    pub(super) fn rows(&self) -> usize {
        self.samples.len() * self.parts.len()
    }

    /// The start timestamps of its samples.
    pub(super) fn starts(&self) -> SpanStarts {
        SpanStarts::of(self.samples.iter().map(|sample| sample.start))
    }

    /// Whether any row has a value in `vf`.
    pub(super) fn has_doubles(&self) -> bool {
        self.samples.iter().any(|sample| has_doubles(&sample.histogram))
    }
}

/// The runs of a series' histograms, in their order.
pub(super) fn runs(samples: &[HistogramSample]) -> Vec<Run<'_>> {
    let (mut out, mut start) = (Vec::new(), 0);
    let mut open: Option<Open> = None;
    for (at, sample) in samples.iter().enumerate() {
        let kind = kind_of(&sample.histogram);
        let fits = open.as_mut().is_some_and(|open| open.kind == kind && open.take(&sample.histogram));
        if fits {
            continue;
        }
        let run = open.replace(Open::new(kind, &sample.histogram));
        out.extend(run.map(|run| run.close(samples.get(start..at).unwrap_or_default())));
        start = at;
    }
    out.extend(open.map(|run| run.close(samples.get(start..).unwrap_or_default())));
    out
}

fn kind_of(histogram: &NativeHistogram) -> Kind {
    match histogram {
        stale if stale.is_stale() => Kind::StaleHistogram,
        NativeHistogram::Integer(_) => Kind::IntegerHistogram,
        NativeHistogram::Float(_) => Kind::FloatHistogram,
    }
}

/// A run that may still grow.
struct Open {
    kind: Kind,
    shape: HistogramShape,
    has_zero: bool,
    positive: BTreeSet<i32>,
    negative: BTreeSet<i32>,
    /// The indexes that came last: mostly the next histogram has the same.
    last: [Arc<[i32]>; 2],
    count: usize,
    populated: usize,
}

impl Open {
    fn new(kind: Kind, histogram: &NativeHistogram) -> Self {
        let mut open = Self {
            kind,
            shape: shape_of(kind, histogram),
            has_zero: false,
            positive: BTreeSet::new(),
            negative: BTreeSet::new(),
            last: [Arc::default(), Arc::default()],
            count: 0,
            populated: 0,
        };
        open.add(histogram);
        open
    }

    /// Takes a histogram, if it has the same shape and leaves few rows empty.
    fn take(&mut self, histogram: &NativeHistogram) -> bool {
        if self.kind == Kind::StaleHistogram {
            self.count += 1;
            return true;
        }
        if !self.shape.is_of(histogram) || self.is_sparse_with(histogram) {
            return false;
        }
        self.add(histogram);
        true
    }

    fn is_sparse_with(&self, histogram: &NativeHistogram) -> bool {
        let [positive, negative] = layouts(histogram);
        if self.last == [Arc::clone(positive), Arc::clone(negative)] {
            return false;
        }
        let new = |known: &BTreeSet<i32>, indexes: &[i32]| {
            indexes.iter().filter(|index| !known.contains(index)).count()
        };
        let parts = 3 + self.positive.len() + self.negative.len();
        let parts = parts + new(&self.positive, positive) + new(&self.negative, negative);
        let populated = self.populated + 3 + positive.len() + negative.len();
        parts * (self.count + 1) > populated * MAX_SPARSENESS + FEW_ROWS
    }

    fn add(&mut self, histogram: &NativeHistogram) {
        let layouts = layouts(histogram);
        for ((known, last), indexes) in
            [&mut self.positive, &mut self.negative].into_iter().zip(&mut self.last).zip(layouts)
        {
            if self.count == 0 || last != indexes {
                known.extend(indexes.iter());
                *last = Arc::clone(indexes);
            }
        }
        self.has_zero |= match histogram {
            NativeHistogram::Integer(histogram) => histogram.zero_count.bits() != 0,
            NativeHistogram::Float(histogram) => histogram.zero_count.bits() != 0,
        };
        self.count += 1;
        self.populated += 3 + histogram.buckets();
    }

    fn close(self, samples: &[HistogramSample]) -> Run<'_> {
        debug_assert_eq!(samples.len(), self.count);
        let mut parts = vec![HistogramPart::Count];
        if self.kind != Kind::StaleHistogram {
            parts.push(HistogramPart::Sum);
            parts.extend(self.has_zero.then_some(HistogramPart::Zero));
            parts.extend(self.positive.into_iter().map(HistogramPart::Positive));
            parts.extend(self.negative.into_iter().map(HistogramPart::Negative));
        }
        let shape = HistogramShape { parts: parts.len() as u32, ..self.shape };
        Run { kind: self.kind, shape, samples, parts }
    }
}

fn layouts(histogram: &NativeHistogram) -> [&Arc<[i32]>; 2] {
    match histogram {
        NativeHistogram::Integer(histogram) => [histogram.positive.layout(), histogram.negative.layout()],
        NativeHistogram::Float(histogram) => [histogram.positive.layout(), histogram.negative.layout()],
    }
}

fn shape_of(kind: Kind, histogram: &NativeHistogram) -> HistogramShape {
    fn of<C: BucketCount>(histogram: &Histogram<C>) -> HistogramShape {
        HistogramShape {
            parts: 0,
            schema: histogram.schema,
            zero_threshold: histogram.zero_threshold,
            custom_bounds: Arc::clone(&histogram.custom_bounds),
            reset_hint: histogram.reset_hint,
        }
    }
    match histogram {
        _ if kind == Kind::StaleHistogram => HistogramShape::default(),
        NativeHistogram::Integer(histogram) => of(histogram),
        NativeHistogram::Float(histogram) => of(histogram),
    }
}

#[cfg(test)]
mod tests {
    use latewood_model::histogram::{Buckets, IntegerHistogram, ResetHint};

    use super::*;

    fn of(buckets: &[i32], reset_hint: ResetHint) -> NativeHistogram {
        let positive = Buckets::from_pairs(buckets.iter().map(|&index| (index, 1)));
        let count = buckets.len() as u64;
        IntegerHistogram { count, positive, reset_hint, ..IntegerHistogram::default() }.into()
    }

    fn lengths(histograms: Vec<NativeHistogram>) -> Vec<(usize, usize)> {
        let samples: Vec<HistogramSample> = histograms
            .into_iter()
            .zip(0..)
            .map(|(histogram, timestamp)| HistogramSample::new(timestamp, histogram))
            .collect();
        runs(&samples).iter().map(|run| (run.samples.len(), run.parts.len())).collect()
    }

    #[test]
    fn buckets_that_come_later_make_no_new_run_and_hints_do() {
        use ResetHint::{NoReset, Unknown};
        let counter = [of(&[1], Unknown), of(&[1], NoReset), of(&[1, 2], NoReset), of(&[0, 1, 2], NoReset)];
        assert_eq!(lengths(counter.into()), [(1, 3), (3, 5)]);
        let ends = [of(&[1], Unknown), NativeHistogram::stale(), NativeHistogram::stale(), of(&[1], Unknown)];
        assert_eq!(lengths(ends.into()), [(1, 3), (2, 1), (1, 3)]);
        assert!(lengths(Vec::new()).is_empty());
    }

    #[test]
    fn histograms_that_have_nothing_in_common_do_not_multiply() {
        let scattered = (0..2_000).map(|at| of(&[at * 3, at * 3 + 1], ResetHint::Gauge));
        let rows: usize = lengths(scattered.collect()).iter().map(|(count, parts)| count * parts).sum();
        assert!(rows < 2_000 * 4 * (MAX_SPARSENESS + 20), "{rows}");
    }
}
