//! `histogram_count` and its kin: one number of one histogram.

use latewood_model::FloatHistogram;

/// A number of a histogram.
pub type MomentKernel = fn(&FloatHistogram) -> f64;

/// The kernel of a function of one histogram that yields a number.
#[must_use]
pub fn moment(function: &str) -> Option<MomentKernel> {
    Some(match function {
        "histogram_avg" => FloatHistogram::mean,
        "histogram_count" => |histogram| histogram.count,
        "histogram_stddev" => |histogram| histogram.variance().sqrt(),
        "histogram_stdvar" => FloatHistogram::variance,
        "histogram_sum" => |histogram| histogram.sum,
        _ => return None,
    })
}
