//! The engine's only door to data.

use std::sync::Arc;

use latewood_model::{Matcher, SeriesSamples, TimeRange};

/// Where a query's samples come from. Calls may block: the engine runs off the async runtime.
pub trait SeriesSource: Send + Sync {
    /// Opens the series that match, in storage order, each once.
    ///
    /// # Errors
    /// [`SourceError`] when they cannot be had.
    fn select(&self, select: &Select) -> Result<Box<dyn SeriesCursor>, SourceError>;
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
