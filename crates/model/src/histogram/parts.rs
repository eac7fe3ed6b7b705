//! Histograms as remote write carries them.

use std::borrow::Cow;

use super::schema::{MAX_ACCEPTED_SCHEMA, coarser_index};
use super::spans::{expand, to_spans};
use super::validate::{self, MAX_BUCKETS};
use super::{
    BucketCount, Buckets, FloatHistogram, Histogram, HistogramError, IntegerHistogram, MAX_SCHEMA,
    NativeHistogram, ResetHint,
};
use crate::is_stale;

/// A run of consecutive buckets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// Buckets left out since the last span; the first span's is an index.
    pub offset: i32,
    /// How many buckets.
    pub length: u32,
}

/// The counts of a message, of either sort.
#[derive(Clone, Debug, PartialEq)]
pub enum PartCounts<'a> {
    /// Integer counts; buckets as differences from the bucket before, the first from 0.
    Integer {
        /// Observations.
        count: u64,
        /// Observations in the zero bucket.
        zero_count: u64,
        /// Deltas of the positive buckets.
        positive_deltas: Cow<'a, [i64]>,
        /// Deltas of the negative buckets.
        negative_deltas: Cow<'a, [i64]>,
    },
    /// Float counts; buckets as they are.
    Float {
        /// Observations.
        count: f64,
        /// Observations in the zero bucket.
        zero_count: f64,
        /// Counts of the positive buckets.
        positive_counts: Cow<'a, [f64]>,
        /// Counts of the negative buckets.
        negative_counts: Cow<'a, [f64]>,
    },
}

/// The fields of remote write's `Histogram` message but for its time; lists may stay where they were decoded.
#[derive(Clone, Debug, PartialEq)]
pub struct HistogramParts<'a> {
    /// The bucket schema.
    pub schema: i32,
    /// Half the breadth of the zero bucket.
    pub zero_threshold: f64,
    /// The sum of the observations.
    pub sum: f64,
    /// The number of a [`ResetHint`].
    pub reset_hint: i32,
    /// Bounds of custom buckets.
    pub custom_bounds: Cow<'a, [f64]>,
    /// Where the positive buckets are.
    pub positive_spans: Cow<'a, [Span]>,
    /// Where the negative buckets are.
    pub negative_spans: Cow<'a, [Span]>,
    /// All counts.
    pub counts: PartCounts<'a>,
}

impl HistogramParts<'_> {
    /// Validates, and brings into the form in which histograms are stored. A stale marker's other fields
    /// do not count.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn into_native(self) -> Result<NativeHistogram, HistogramError> {
        if is_stale(self.sum) {
            return Ok(NativeHistogram::stale());
        }
        let longest = [self.positive_len(), self.negative_len(), self.custom_bounds.len()];
        if let Some(&length) = longest.iter().find(|length| **length > MAX_BUCKETS) {
            return Err(HistogramError::TooManyBuckets(length));
        }
        match &self.counts {
            PartCounts::Integer { count, zero_count, positive_deltas, negative_deltas } => {
                let positive = self.side("positive", sums("positive", positive_deltas)?)?;
                let negative = self.side("negative", sums("negative", negative_deltas)?)?;
                let histogram: IntegerHistogram = self.assemble(*count, *zero_count, positive, negative);
                validate::integer(&histogram)?;
                Ok(finest_stored(histogram, |a, b| a.saturating_add(b)).into())
            }
            PartCounts::Float { count, zero_count, positive_counts, negative_counts } => {
                let positive = self.side("positive", positive_counts.to_vec())?;
                let negative = self.side("negative", negative_counts.to_vec())?;
                let histogram: FloatHistogram = self.assemble(*count, *zero_count, positive, negative);
                validate::float(&histogram)?;
                Ok(finest_stored(histogram, |a, b| a + b).into())
            }
        }
    }

    fn positive_len(&self) -> usize {
        match &self.counts {
            PartCounts::Integer { positive_deltas, .. } => positive_deltas.len(),
            PartCounts::Float { positive_counts, .. } => positive_counts.len(),
        }
    }

    fn negative_len(&self) -> usize {
        match &self.counts {
            PartCounts::Integer { negative_deltas, .. } => negative_deltas.len(),
            PartCounts::Float { negative_counts, .. } => negative_counts.len(),
        }
    }

    /// The buckets of a side, from its spans and absolute counts.
    fn side<C: BucketCount>(&self, side: &'static str, counts: Vec<C>) -> Result<Buckets<C>, HistogramError> {
        let spans = if side == "positive" { &self.positive_spans } else { &self.negative_spans };
        let indexes = expand(side, spans, counts.len())?;
        Ok(Buckets::from_pairs(indexes.into_iter().zip(counts)))
    }

    fn assemble<C: BucketCount>(
        &self,
        count: C,
        zero_count: C,
        positive: Buckets<C>,
        negative: Buckets<C>,
    ) -> Histogram<C> {
        Histogram {
            schema: self.schema,
            zero_threshold: self.zero_threshold,
            custom_bounds: self.custom_bounds.as_ref().into(),
            reset_hint: ResetHint::from_wire(self.reset_hint),
            sum: self.sum,
            count,
            zero_count,
            positive,
            negative,
        }
    }
}

/// Absolute counts from deltas.
fn sums(side: &'static str, deltas: &[i64]) -> Result<Vec<u64>, HistogramError> {
    let mut count = 0_i64;
    let absolute = deltas.iter().enumerate().map(|(at, delta)| {
        count = count.checked_add(*delta).unwrap_or(-1);
        u64::try_from(count).map_err(|_| HistogramError::NegativeBucket { side, number: at + 1 })
    });
    absolute.collect()
}

/// Brings schemas above [`MAX_SCHEMA`] down to it.
fn finest_stored<C: BucketCount>(mut histogram: Histogram<C>, add: impl Fn(C, C) -> C) -> Histogram<C> {
    if (MAX_SCHEMA + 1..=MAX_ACCEPTED_SCHEMA).contains(&histogram.schema) {
        for side in [&mut histogram.positive, &mut histogram.negative] {
            *side = side.reindexed(|index| coarser_index(index, histogram.schema, MAX_SCHEMA), &add);
        }
        histogram.schema = MAX_SCHEMA;
    }
    histogram
}

impl<'a> From<&'a NativeHistogram> for HistogramParts<'a> {
    /// With the fewest spans that the populated buckets allow.
    fn from(native: &'a NativeHistogram) -> Self {
        match native {
            NativeHistogram::Integer(histogram) => {
                let counts = PartCounts::Integer {
                    count: histogram.count,
                    zero_count: histogram.zero_count,
                    positive_deltas: deltas(histogram.positive.counts()).into(),
                    negative_deltas: deltas(histogram.negative.counts()).into(),
                };
                disassemble(histogram, counts)
            }
            NativeHistogram::Float(histogram) => {
                let counts = PartCounts::Float {
                    count: histogram.count,
                    zero_count: histogram.zero_count,
                    positive_counts: histogram.positive.counts().into(),
                    negative_counts: histogram.negative.counts().into(),
                };
                disassemble(histogram, counts)
            }
        }
    }
}

fn disassemble<'a, C: BucketCount>(
    histogram: &'a Histogram<C>,
    counts: PartCounts<'a>,
) -> HistogramParts<'a> {
    HistogramParts {
        schema: histogram.schema,
        zero_threshold: histogram.zero_threshold,
        sum: histogram.sum,
        reset_hint: histogram.reset_hint.to_wire(),
        custom_bounds: histogram.custom_bounds.as_ref().into(),
        positive_spans: to_spans(histogram.positive.layout()).into(),
        negative_spans: to_spans(histogram.negative.layout()).into(),
        counts,
    }
}

/// Differences between counts, the first from 0.
fn deltas(counts: &[u64]) -> Vec<i64> {
    let before = std::iter::once(0).chain(counts.iter().copied());
    before.zip(counts).map(|(before, &count)| count.wrapping_sub(before) as i64).collect()
}

#[cfg(test)]
#[path = "parts_tests.rs"]
mod tests;
