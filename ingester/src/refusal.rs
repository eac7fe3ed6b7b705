//! What was refused of a request, by cause, with a few examples in words.

use std::fmt;

/// Why a part of a request was not stored. None of these is mended by a retry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Cause {
    /// A series without a metric name.
    MissingMetricName,
    /// A label without a name.
    EmptyLabelName,
    /// A label name twice in one series.
    DuplicateLabelName,
    /// A text that is not UTF-8.
    NotUtf8,
    /// 2.0: a reference past the symbols, or half a pair.
    LabelReferences,
    /// More labels than allowed.
    TooManyLabels,
    /// A label name longer than allowed.
    LabelNameTooLong,
    /// A label value longer than allowed.
    LabelValueTooLong,
    /// A time too far ahead.
    TooFarInFuture,
    /// A time before the oldest that is taken.
    TooOld,
    /// A native histogram that contradicts itself.
    InvalidHistogram,
    /// A native histogram of more buckets than allowed.
    TooManyBuckets,
    /// A new series of a tenant that has as many as it may.
    SeriesLimit,
    /// A new series of a metric that has as many as it may.
    MetricSeriesLimit,
}

impl Cause {
    /// All causes, in the order of their numbers.
    pub const ALL: [Self; 14] = [
        Self::MissingMetricName,
        Self::EmptyLabelName,
        Self::DuplicateLabelName,
        Self::NotUtf8,
        Self::LabelReferences,
        Self::TooManyLabels,
        Self::LabelNameTooLong,
        Self::LabelValueTooLong,
        Self::TooFarInFuture,
        Self::TooOld,
        Self::InvalidHistogram,
        Self::TooManyBuckets,
        Self::SeriesLimit,
        Self::MetricSeriesLimit,
    ];

    /// The cause of a name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|cause| cause.as_str() == name)
    }

    /// Its name in metrics and in answers.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::MissingMetricName => "missing_metric_name",
            Self::EmptyLabelName => "empty_label_name",
            Self::DuplicateLabelName => "duplicate_label_name",
            Self::NotUtf8 => "not_utf8",
            Self::LabelReferences => "label_references",
            Self::TooManyLabels => "too_many_labels",
            Self::LabelNameTooLong => "label_name_too_long",
            Self::LabelValueTooLong => "label_value_too_long",
            Self::TooFarInFuture => "too_far_in_future",
            Self::TooOld => "too_old",
            Self::InvalidHistogram => "invalid_native_histogram",
            Self::TooManyBuckets => "too_many_buckets",
            Self::SeriesLimit => "series_limit",
            Self::MetricSeriesLimit => "metric_series_limit",
        }
    }
}

/// Counts by cause, and the first few refusals of each in words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refusals {
    counts: [u64; Cause::ALL.len()],
    examples: Vec<(Cause, String)>,
}

impl Refusals {
    /// How many refusals of one cause are spelt out.
    const EXAMPLES_PER_CAUSE: usize = 2;
    /// The most bytes of one example.
    const EXAMPLE_BYTES: usize = 300;

    /// Counts `count` refused samples, or other items, and keeps the words of the first ones.
    pub fn add(&mut self, cause: Cause, count: u64, words: impl FnOnce() -> String) {
        if let Some(total) = self.counts.get_mut(cause as usize) {
            *total += count;
        }
        let kept = self.examples.iter().filter(|(other, _)| *other == cause).count();
        if kept < Self::EXAMPLES_PER_CAUSE {
            self.examples.push((cause, shorten(words(), Self::EXAMPLE_BYTES)));
        }
    }

    /// Takes over another part's refusals.
    pub fn merge(&mut self, other: Self) {
        for (total, count) in self.counts.iter_mut().zip(other.counts) {
            *total += count;
        }
        for (cause, words) in other.examples {
            self.add(cause, 0, || words);
        }
    }

    /// Whether nothing was refused.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.examples.is_empty()
    }

    /// How many of one cause.
    #[must_use]
    pub fn count(&self, cause: Cause) -> u64 {
        self.counts.get(cause as usize).copied().unwrap_or(0)
    }

    /// The first refusal of a cause, in words.
    #[must_use]
    pub fn example(&self, cause: Cause) -> Option<&str> {
        self.examples.iter().find(|(other, _)| *other == cause).map(|(_, words)| words.as_str())
    }

    /// The causes that occurred, with their counts.
    pub fn counts(&self) -> impl Iterator<Item = (Cause, u64)> {
        Cause::ALL.into_iter().zip(self.counts).filter(|(_, count)| *count > 0)
    }
}

impl fmt::Display for Refusals {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (cause, count)) in self.counts().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(out, "{comma}{} ({count})", cause.as_str())?;
        }
        for (_, words) in &self.examples {
            write!(out, "\n- {words}")?;
        }
        Ok(())
    }
}

/// The text, cut at a character's border with `…` when it is longer than `limit` bytes.
pub(crate) fn shorten(mut text: String, limit: usize) -> String {
    if text.len() > limit {
        text.truncate(text.floor_char_boundary(limit));
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_are_counted_and_only_the_first_are_spelt_out() {
        let mut refusals = Refusals::default();
        for number in 0..5 {
            refusals.add(Cause::TooOld, 2, || format!("old {number}"));
        }
        let mut other = Refusals::default();
        other.add(Cause::SeriesLimit, 1, || "é".repeat(500));
        refusals.merge(other);
        assert_eq!(refusals.example(Cause::TooOld), Some("old 0"));
        assert_eq!(refusals.example(Cause::TooManyLabels), None);
        let text = refusals.to_string();
        assert!(text.starts_with("too_old (10), series_limit (1)\n- old 0\n- old 1\n- é"), "{text}");
        assert!(text.ends_with('…') && text.len() < 400, "{text}");
    }

    #[test]
    fn causes_stand_at_their_numbers() {
        for (index, cause) in Cause::ALL.into_iter().enumerate() {
            assert_eq!(cause as usize, index);
        }
    }
}
