//! What streams of the Store API are made of: series with their samples, or with their windows.

use latewood_model::{JoinedTimes, Labels, SeriesRollups, SeriesSamples};

use super::joiner::SamplesJoiner;

/// A series as a store streams it.
pub trait StoredSeries: Sized + Send + 'static {
    /// Joins what several stores have of one series.
    type Joiner: JoinRuns<Self>;

    /// Which series.
    fn labels(&self) -> &Labels;

    /// How many floats take about as much memory as what it holds.
    fn weight(&self) -> usize;
}

/// Joins the runs of one series after the other; may remember what series have in common.
pub trait JoinRuns<S>: Default + Send + 'static {
    /// One series of runs that have the same labels; none of none.
    fn join(&mut self, runs: Vec<S>) -> Option<S>;
}

impl StoredSeries for SeriesSamples {
    type Joiner = SamplesJoiner;

    fn labels(&self) -> &Labels {
        &self.labels
    }

    fn weight(&self) -> usize {
        Self::weight(self)
    }
}

impl StoredSeries for SeriesRollups {
    type Joiner = RollupsJoiner;

    fn labels(&self) -> &Labels {
        &self.labels
    }

    fn weight(&self) -> usize {
        Self::weight(self)
    }
}

/// Joins windows: [`SeriesRollups::joined`].
#[derive(Debug, Default)]
pub struct RollupsJoiner(JoinedTimes);

impl JoinRuns<SeriesRollups> for RollupsJoiner {
    fn join(&mut self, runs: Vec<SeriesRollups>) -> Option<SeriesRollups> {
        SeriesRollups::joined_sharing(runs, &mut self.0)
    }
}
