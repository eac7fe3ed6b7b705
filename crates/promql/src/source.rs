//! The engine's only door to data.

use std::sync::Arc;

use latewood_model::{Matcher, Resolution, RollupColumns, SeriesRollups, SeriesSamples, TimeRange};

/// Where a query's samples come from. Calls may block: the engine runs off the async runtime.
pub trait SeriesSource: Send + Sync {
    /// Opens the series that match, in storage order, each once.
    ///
    /// # Errors
    /// [`SourceError`] when they cannot be had.
    fn select(&self, select: &Select) -> Result<Box<dyn SeriesCursor>, SourceError>;

    /// At which resolutions the series that match can be read in a range. Reads nothing.
    fn resolutions(&self, _matchers: &[Matcher], _range: TimeRange) -> Resolutions {
        Resolutions::default()
    }

    /// Opens the windows of the series that match, in storage order, each once. Asked only as [`Self::resolutions`] said.
    ///
    /// # Errors
    /// [`SourceError`] when they cannot be had.
    fn select_rollups(&self, _select: &RollupSelect) -> Result<Box<dyn RollupCursor>, SourceError> {
        Err(SourceError(Arc::new(std::io::Error::from(std::io::ErrorKind::Unsupported))))
    }
}

/// At which resolutions something can be read. By default as samples alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resolutions {
    /// The coarsest that may be read where a finer one is there, too.
    pub coarsest: Resolution,
    /// Whether that may be where it is not exact.
    pub may_be_inexact: bool,
    /// The times of which no samples are left, ascending and apart, with the finest resolution that there is. A coarser
    /// one can be read as well.
    pub gone: Vec<(TimeRange, Resolution)>,
    /// Those of these times, ascending and apart, where what is left is not of the series that are asked for.
    pub differing: Vec<TimeRange>,
}

impl Resolutions {
    /// The finest resolution in which all of a range can be read.
    #[must_use]
    pub fn finest(&self, range: TimeRange) -> Resolution {
        let first = self.gone.partition_point(|(gone, _)| gone.end < range.start);
        let touched = self.gone.iter().skip(first).take_while(|(gone, _)| gone.start <= range.end);
        touched.map(|(_, finest)| *finest).max().unwrap_or_default()
    }

    /// Whether what is left of any time in a range is not of the series that are asked for.
    #[must_use]
    pub fn differ_in(&self, range: TimeRange) -> bool {
        let first = self.differing.partition_point(|times| times.end < range.start);
        self.differing.get(first).is_some_and(|times| times.overlaps(range))
    }
}

/// What is asked of [`SeriesSource::select_rollups`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RollupSelect {
    /// All must match.
    pub matchers: Vec<Matcher>,
    /// Where windows end that are needed; further ones may be returned and are ignored. Not empty.
    pub range: TimeRange,
    /// How long windows are; not raw.
    pub resolution: Resolution,
    /// Which figures of windows of floats are needed; the others may stay empty.
    pub columns: RollupColumns,
}

/// Series with windows, one batch after another: as [`SeriesCursor`].
pub trait RollupCursor: Send {
    /// The next series, in storage order; `None` at the end. Blocks until they are there; fails when
    /// the query is cancelled or runs out of time.
    ///
    /// # Errors
    /// [`SourceError`] when they cannot be had.
    fn next_batch(&mut self) -> Result<Option<Vec<SeriesRollups>>, SourceError>;

    /// As [`SeriesCursor::warnings`].
    fn warnings(&self) -> Vec<String> {
        Vec::new()
    }
}

/// What is asked of a [`SeriesSource`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Select {
    /// All must match.
    pub matchers: Vec<Matcher>,
    /// Which times are needed; further ones may be returned and are ignored.
    pub range: TimeRange,
    /// The query's step in milliseconds, 0 for an instant query.
    pub step_ms: i64,
    /// The window's length in milliseconds, 0 for an instant selector.
    pub window_ms: i64,
    /// Whether the samples' start timestamps are needed.
    pub starts: bool,
    /// Whether of each series the newest sample of the range is enough; more may be returned.
    pub newest_only: bool,
    /// The function around a matrix selector, a hint for coarser resolutions.
    pub function: Option<String>,
}

/// Series one batch after another.
pub trait SeriesCursor: Send {
    /// The next series, in storage order; `None` at the end. Blocks until they are there; fails when
    /// the query is cancelled or runs out of time.
    ///
    /// # Errors
    /// [`SourceError`] when they cannot be had.
    fn next_batch(&mut self) -> Result<Option<Vec<SeriesSamples>>, SourceError>;

    /// What the answer must say of this selection, such as sources that did not answer. Final once
    /// `next_batch` returned `None`.
    fn warnings(&self) -> Vec<String> {
        Vec::new()
    }
}

/// Why data could not be had: opaque to the engine, handed through to its caller.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub struct SourceError(pub Arc<dyn std::error::Error + Send + Sync>);
