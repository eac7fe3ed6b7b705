//! Functions over windows with native histograms. Windows of floats alone never come here.

mod changes;
mod extended;
mod moments;
mod over_time;
mod pick;
mod rate;

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::annotations::CallContext;
use crate::functions::Window;
use crate::{Notice, SampleValue};

pub(super) use changes::{changes, resets};
pub(super) use extended::change;
pub use extended::interpolate;
pub use moments::{MomentKernel, moment};
pub(super) use rate::combine;

/// One value of a window that has at least one histogram, `None` where there is none.
pub type HistogramKernel = fn(&Window<'_>, ctx: &mut CallContext) -> Option<SampleValue>;

/// The kernel of a function that takes histograms; the others ignore them.
#[must_use]
pub fn kernel(function: &str) -> Option<HistogramKernel> {
    static BY_NAME: LazyLock<HashMap<&str, HistogramKernel>> =
        LazyLock::new(|| KERNELS.iter().copied().collect());
    BY_NAME.get(function).copied()
}

const KERNELS: &[(&str, HistogramKernel)] = &[
    ("avg_over_time", over_time::avg),
    ("changes", changes),
    ("count_over_time", pick::count),
    ("delta", rate::delta),
    ("first_over_time", pick::first),
    ("idelta", rate::idelta),
    ("increase", rate::increase),
    ("irate", rate::irate),
    ("last_over_time", pick::last),
    ("present_over_time", pick::present),
    ("rate", rate::rate),
    ("resets", resets),
    ("sum_over_time", over_time::sum),
    ("ts_of_first_over_time", pick::time_of_first),
    ("ts_of_last_over_time", pick::time_of_last),
];

/// Whether a window has floats, too: then a warning is left.
fn is_mixed(window: &Window<'_>, ctx: &mut CallContext) -> bool {
    let mixed = !window.values.is_empty();
    if mixed {
        ctx.add(&Notice::MixedFloatsHistograms(ctx.metric_name().to_owned()));
    }
    mixed
}
