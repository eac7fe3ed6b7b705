//! Rollups: what is left of a series' samples in windows of five minutes, an hour, a day.
//!
//! ```text
//!        (w, w + 5m]        (w + 5m, w + 10m]      (w + 10m, w + 15m]
//! ├──────────────────────┼──────────────────────┼──────────────────────┤
//!    3   5   1   4  stale    6   7   9              stale
//!   first         last      first   last
//!   count 4, sum 13, min 1, max 5                 no sample: no window
//!   correction 5 (before the reset), stale
//! ```
//!
//! A window begins behind a multiple of its length since the Unix epoch and ends at the next one, which is its label.
//! It is there if it has a sample that is no stale marker; markers count for nothing but [`FloatRollup::is_stale`].
//! Each figure is what PromQL's function of that name gives over the window's samples (`sum_over_time` and so on), so
//! that a query over whole windows gives what it would over the samples.
//!
//! **Rates.** PromQL's `rate` takes the last value less the first, and adds the value before each counter reset. A
//! window has those of its resets as `correction`; whether there is one between two windows is told by the first value
//! of the later and the last of the earlier. Hence over whole windows
//!
//! ```text
//! increase = last of the last − first of the first + Σ corrections + Σ lasts before a lesser first
//! ```
//!
//! Start timestamps have no part in it: of a reset that only they tell of, rollups know nothing.
//!
//! **Coarser windows** come out of finer ones ([`SeriesRollups::coarsened`]) as they would out of the samples, but for
//! the last digits of what was added up in another order.

mod coarsen;
mod columns;
mod compensated;
mod float;
mod float_columns;
mod fold;
mod histogram;
mod joined;
mod series;
mod thinned;
mod windows;

pub use columns::RollupColumns;
pub use float::{FloatRollup, FloatRollups};
pub use fold::{greater, lesser};
pub use histogram::HistogramRollup;
pub use series::SeriesRollups;
pub use windows::RollupWindows;

#[cfg(test)]
mod reading_tests;
#[cfg(test)]
mod tests;
