//! Operators: each turns tiles of (series × steps) into tiles, pulled by the one above it.
//!
//! What must be held is booked with the query's [`crate::Control`] before it is allocated; every pull looks
//! at cancellation and the deadline. Series come in storage order and are folded in that order, so results
//! are the same at every run.

mod absent;
mod aggregate;
mod arithmetic;
mod bounds;
mod buckets;
mod build;
mod by_times;
mod cells;
mod count_values;
mod counts;
mod env;
mod feed;
mod fill;
mod fold;
mod fold_histograms;
mod grid;
mod groups;
mod histograms;
mod info;
mod info_series;
mod join;
mod join_side;
mod kept_series;
mod map;
mod matching;
mod merge;
mod names;
mod once;
mod pace;
mod probe;
mod ratio;
mod reach;
mod rollups;
mod row;
mod rows;
mod scalar;
mod scan;
mod selections;
mod set;
mod smooth;
mod sort;
mod starts;
mod stats;
mod subquery;
mod tile;
mod topk;
mod windows;

pub(crate) use arithmetic::scalar_binary;
pub(crate) use build::{build, results_are_unique};
pub(crate) use counts::SampleCounts;
pub(crate) use env::Env;
pub(crate) use feed::SeriesFeed;
pub(crate) use grid::Grid;
pub(crate) use merge::same_labelset;
pub(crate) use names::build_root;
pub(crate) use pace::sort_by;
pub(crate) use probe::Probe;
pub(crate) use row::{Row, is_histogram};
pub(crate) use selections::Selections;
pub(crate) use tile::{Tile, is_present};
pub(crate) use windows::raw_windows;

use crate::QueryError;

/// A step of a running query.
pub(crate) trait Operator: Send {
    /// The next tile; `None` at the end. No row of it is without any value.
    fn next(&mut self) -> Result<Option<Tile>, QueryError>;
}

/// Any operator.
pub(crate) type BoxOperator = Box<dyn Operator>;
