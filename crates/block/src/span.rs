//! A span: the run of rows that a series has in one file.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use latewood_model::histogram::{Histogram, ResetHint};
use latewood_model::{NO_START, NativeHistogram, TimeRange, TimestampMs};

use crate::decimal::Scale;
use crate::rollup_value::HeldValues;

/// What the rows of a span hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
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
    /// Windows of floats in `samples/`.
    FloatRollup = 4,
    /// Windows of native histograms in `samples/`: count and times.
    HistogramRollup = 5,
    /// The first histograms of windows in `hist/`, where they are not the last ones, too.
    FirstInteger = 6,
    FirstFloat = 7,
    /// The last histograms of windows in `hist/`.
    LastInteger = 8,
    LastFloat = 9,
    /// The sums of those before counter resets in `hist/`.
    Correction = 10,
    /// The sums of all of a window in `hist/`.
    Sum = 11,
}

/// What a histogram is to its window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    First,
    Last,
    Correction,
    Sum,
}

impl Role {
    pub(crate) const ALL: [Self; 4] = [Self::First, Self::Last, Self::Correction, Self::Sum];
}

impl Kind {
    const ALL: [Self; 12] = [
        Self::Float,
        Self::IntegerHistogram,
        Self::FloatHistogram,
        Self::StaleHistogram,
        Self::FloatRollup,
        Self::HistogramRollup,
        Self::FirstInteger,
        Self::FirstFloat,
        Self::LastInteger,
        Self::LastFloat,
        Self::Correction,
        Self::Sum,
    ];

    /// From its number in the file.
    pub(crate) fn from_number(number: i32) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind as i32 == number)
    }

    /// Whether the rows stand in `hist/`.
    pub(crate) fn is_histogram(self) -> bool {
        !matches!(self, Self::Float | Self::FloatRollup | Self::HistogramRollup)
    }

    /// Whether it belongs into a block of aggregates.
    pub(crate) fn is_rollup(self) -> bool {
        self as i32 >= Self::FloatRollup as i32
    }

    /// Whether all numbers but sums are integers.
    pub(crate) fn has_integer_counts(self) -> bool {
        matches!(self, Self::IntegerHistogram | Self::FirstInteger | Self::LastInteger)
    }

    /// What the histograms are to their windows.
    pub(crate) fn role(self) -> Option<Role> {
        match self {
            Self::FirstInteger | Self::FirstFloat => Some(Role::First),
            Self::LastInteger | Self::LastFloat => Some(Role::Last),
            Self::Correction => Some(Role::Correction),
            Self::Sum => Some(Role::Sum),
            _ => None,
        }
    }

    /// The kind of histograms that are something to their windows; none of stale markers, and where there are integers
    /// that cannot be.
    pub(crate) fn in_role(self, role: Role) -> Option<Self> {
        match (role, self) {
            (Role::First, Self::IntegerHistogram) => Some(Self::FirstInteger),
            (Role::First, Self::FloatHistogram) => Some(Self::FirstFloat),
            (Role::Last, Self::IntegerHistogram) => Some(Self::LastInteger),
            (Role::Last, Self::FloatHistogram) => Some(Self::LastFloat),
            (Role::Correction, Self::FloatHistogram) => Some(Self::Correction),
            (Role::Sum, Self::FloatHistogram) => Some(Self::Sum),
            _ => None,
        }
    }
}

/// Where the times of a span's rows stand in `scrapes.parquet`: all between these, or some.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ScrapeRange {
    pub(crate) first: u32,
    pub(crate) last: u32,
}

impl ScrapeRange {
    /// Whether so many times are all that there are between the two.
    pub(crate) fn is_run_of(self, count: u64) -> bool {
        u64::from(self.last.saturating_sub(self.first)) + 1 == count
    }
}

/// What spans of windows have besides.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct RollupSpan {
    /// Which columns need to be read.
    pub(crate) values: HeldValues,
    /// Where the times of the first samples stand.
    pub(crate) first_at: ScrapeRange,
    /// Where the times of the last samples stand.
    pub(crate) last_at: ScrapeRange,
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
        self.schema == histogram.schema
            && self.zero_threshold.to_bits() == histogram.zero_threshold.to_bits()
            && self.reset_hint == histogram.reset_hint
            && same_bits(&self.custom_bounds, &histogram.custom_bounds)
    }
}

fn same_bits(a: &[f64], b: &[f64]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.to_bits() == b.to_bits())
}

impl PartialEq for HistogramShape {
    fn eq(&self, other: &Self) -> bool {
        (self.parts, self.schema, self.reset_hint) == (other.parts, other.schema, other.reset_hint)
            && self.zero_threshold.to_bits() == other.zero_threshold.to_bits()
            && same_bits(&self.custom_bounds, &other.custom_bounds)
    }
}

impl Eq for HistogramShape {}

impl Hash for HistogramShape {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.parts, self.schema, self.zero_threshold.to_bits(), self.custom_bounds.len()).hash(state);
    }
}

/// The start timestamps of a span's samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
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
    /// What histograms have in common; none in spans of `samples/`.
    pub(crate) shape: Option<Arc<HistogramShape>>,
    /// What windows have besides; none in other spans, and in those of `hist/`.
    pub(crate) rollup: Option<Arc<RollupSpan>>,
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
