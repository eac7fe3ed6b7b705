//! What a select asks for.

use latewood_model::{Matcher, TimeRange};

/// What a select asks for.
#[derive(Clone, Debug)]
pub struct SelectSpec {
    /// All must match.
    pub matchers: Vec<Matcher>,
    /// Samples in this range, both ends included.
    pub range: TimeRange,
    /// Only the labels: series come without times and values, and those are named whose span of time
    /// overlaps the range, even if no sample should lie in it.
    pub skip_samples: bool,
    /// Without start timestamps: nobody will look at them.
    pub skip_starts: bool,
}
