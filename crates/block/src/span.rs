//! A span: the run of rows that a series has in one file.

use std::sync::Arc;

use latewood_model::histogram::{Histogram, ResetHint};
use latewood_model::{NO_START, NativeHistogram, TimeRange, TimestampMs};

use crate::decimal::Scale;

/// What the rows of a span hold. Aggregates will have kinds of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub(crate) enum Kind {
    /// Float samples in `samples/`.
    Float = 0,
    /// Native histograms with integer counts in `hist/`.
    IntegerHistogram = 1,
    /// Native histograms with float counts in `hist/`.
    FloatHistogram = 2,
    /// Stale markers between native histograms in `hist/`.
    StaleHistogram = 3,
}

impl Kind {
    /// From its number in the file.
    pub(crate) fn from_number(number: i32) -> Option<Self> {
        [Self::Float, Self::IntegerHistogram, Self::FloatHistogram, Self::StaleHistogram]
            .into_iter()
            .find(|kind| *kind as i32 == number)
    }
}

/// What the histograms of a span have in common.
#[derive(Clone, Debug, Default)]
pub(crate) struct HistogramShape {
    /// How many rows each has.
    pub(crate) parts: u32,
    /// The bucket schema.
    pub(crate) schema: i32,
    /// Half the breadth of the zero bucket; its bits count.
    pub(crate) zero_threshold: f64,
    /// Bounds of custom buckets; their bits count.
    pub(crate) custom_bounds: Arc<[f64]>,
    /// What the sender knew of counter resets.
    pub(crate) reset_hint: ResetHint,
}

impl HistogramShape {
    /// Whether a histogram has it, counts and buckets aside.
    pub(crate) fn is_of(&self, histogram: &NativeHistogram) -> bool {
        match histogram {
            NativeHistogram::Integer(histogram) => self.fits(histogram),
            NativeHistogram::Float(histogram) => self.fits(histogram),
        }
    }

    fn fits<C>(&self, histogram: &Histogram<C>) -> bool {
        let same_bits = |a: &[f64], b: &[f64]| {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.to_bits() == b.to_bits())
        };
        self.schema == histogram.schema
            && self.zero_threshold.to_bits() == histogram.zero_threshold.to_bits()
            && self.reset_hint == histogram.reset_hint
            && same_bits(&self.custom_bounds, &histogram.custom_bounds)
    }
}

/// The start timestamps of a span's samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SpanStarts {
    /// No sample has one.
    None,
    /// All have this one: the column need not be read.
    All(TimestampMs),
    /// They differ.
    Each,
}

impl SpanStarts {
    /// Of samples with these, [`NO_START`] where there is none.
    pub(crate) fn of(mut starts: impl Iterator<Item = TimestampMs>) -> Self {
        match starts.next() {
            Some(first) if starts.any(|start| start != first) => Self::Each,
            None | Some(NO_START) => Self::None,
            Some(first) => Self::All(first),
        }
    }
}

/// The run of rows that a series has in one file.
#[derive(Clone, Debug)]
pub(crate) struct Span {
    /// The series' row in the series table.
    pub(crate) series: u32,
    /// The number of the part, among those of its kind in the file, among all in memory: those of
    /// histograms come last.
    pub(crate) part: u32,
    /// The first row, counted from the start of the part.
    pub(crate) row_start: u64,
    /// Rows, at least one.
    pub(crate) row_count: u64,
    /// What the rows hold.
    pub(crate) kind: Kind,
    /// The scrape of the first sample.
    pub(crate) first_scrape: u32,
    /// The scrape of the last sample.
    pub(crate) last_scrape: u32,
    /// The scale of the integers; none when there are none, and in spans of histograms.
    pub(crate) scale: Option<Scale>,
    /// Whether any row has a value in `vf`.
    pub(crate) has_vf: bool,
    /// First and last time.
    pub(crate) range: TimeRange,
    /// The samples' start timestamps.
    pub(crate) starts: SpanStarts,
    /// What histograms have in common; none in spans of floats.
    pub(crate) shape: Option<Arc<HistogramShape>>,
}

impl Span {
    /// How many samples the rows make.
    pub(crate) fn samples(&self) -> u64 {
        self.row_count / self.shape.as_ref().map_or(1, |shape| u64::from(shape.parts.max(1)))
    }

    /// Whether the samples' scrapes follow each other without gaps, so that `scrape_id` need not be read.
    pub(crate) fn contiguous(&self) -> bool {
        u64::from(self.last_scrape - self.first_scrape) + 1 == self.samples()
    }
}
