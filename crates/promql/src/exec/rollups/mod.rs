//! Selections that are read as windows of rollups, at all steps or at some.

mod feed;
mod operator;
mod rows;
mod runs;
mod spans;

pub(super) use operator::{RunsOperator, SeriesRows, scan_of, windows_of};
