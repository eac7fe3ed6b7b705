//! What an answer tells of its evaluation, beside the result.

use latewood_model::TimestampMs;

use crate::Analysis;

/// What is asked of a query's evaluation. What is not asked for is not measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReportOptions {
    /// The samples of each step.
    pub samples_per_step: bool,
    /// What each operator took.
    pub analysis: bool,
}

/// What was asked of a query's evaluation.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    /// The query's steps, each with the samples that selectors handed to its evaluation; empty if not asked for.
    pub samples_per_step: Vec<(TimestampMs, u64)>,
    /// What each operator took, if asked for; the plan's root is the first.
    pub analysis: Option<Analysis>,
}
