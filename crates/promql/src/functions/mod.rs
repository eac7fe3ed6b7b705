//! PromQL's functions: their signatures and their kernels.
//!
//! Kernels are pure: they see one window or one value and know nothing of series, plans or storage.
//! Results are Prometheus's to the bit where they are made of additions, multiplications, divisions and
//! square roots; transcendental functions are the platform's.

pub mod absent;
pub mod buckets;
mod counter;
mod counter_doubt;
mod date;
mod elementwise;
pub mod extended;
pub mod histograms;
mod kahan;
pub mod ordering;
mod over_time;
mod quantile;
mod rate;
mod regression;
pub mod relabel;
pub mod rollups;
pub(crate) mod spacing;
mod spec;
mod starts;
mod table;
mod window;

pub use counter_doubt::{doubt_by_name, doubt_by_type};
pub use kahan::KahanSum;
pub use quantile::{invalid_quantile, quantile};
pub use spec::{ElementKernel, EngineFunction, FunctionError, FunctionSpec, Kernel, RangeKernel};
pub use starts::{STARTED, WindowStarts, start_of_expression};
pub use table::{keeps_name, lookup};
pub use window::Window;
