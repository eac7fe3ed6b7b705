//! A span: the run of rows that a series has in one file of samples.

use latewood_model::TimeRange;

use crate::decimal::Scale;

/// What the rows of a span hold. Histograms and aggregates will have kinds of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub(crate) enum Kind {
    /// Float samples in `samples/`.
    Float = 0,
}

impl Kind {
    /// From its number in the file.
    pub(crate) fn from_number(number: i32) -> Option<Self> {
        (number == Self::Float as i32).then_some(Self::Float)
    }
}

/// The run of rows that a series has in one file of samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    /// The series' row in the series table.
    pub(crate) series: u32,
    /// The number of the part.
    pub(crate) part: u32,
    /// The first row, counted from the start of the part.
    pub(crate) row_start: u64,
    /// Rows, at least one.
    pub(crate) row_count: u64,
    /// What the rows hold.
    pub(crate) kind: Kind,
    /// The scrape of the first row.
    pub(crate) first_scrape: u32,
    /// The scrape of the last row.
    pub(crate) last_scrape: u32,
    /// The scale of the integers; none when there are none.
    pub(crate) scale: Option<Scale>,
    /// Whether any row has a value in `vf`.
    pub(crate) has_vf: bool,
    /// First and last time.
    pub(crate) range: TimeRange,
}

impl Span {
    /// Whether the rows' scrapes follow each other without gaps, so that `scrape_id` need not be read.
    pub(crate) fn contiguous(&self) -> bool {
        u64::from(self.last_scrape - self.first_scrape) + 1 == self.row_count
    }
}
