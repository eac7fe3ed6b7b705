//! Counter resets.

use super::custom::{intersection, roll_up};
use super::kahan::Term;
use super::schema::coarser_index;
use super::total::cells;
use super::zero::zero_for_threshold;
use super::{Buckets, FloatHistogram, ResetHint};

impl FloatHistogram {
    /// Whether a counter was reset between `previous` and this one: any count but the sum has fallen, the
    /// resolution has risen, or the hint says so. Gauges are looked at as if they were counters.
    #[must_use]
    pub fn is_reset_after(&self, previous: &Self) -> bool {
        match self.reset_hint {
            ResetHint::Reset => return true,
            ResetHint::NoReset => return false,
            ResetHint::Unknown | ResetHint::Gauge => {}
        }
        if self.count < previous.count || self.schema > previous.schema {
            return true;
        }
        if self.uses_custom_buckets() {
            return self.custom_reset_after(previous);
        }
        if previous.uses_custom_buckets() || self.zero_threshold < previous.zero_threshold {
            return true;
        }
        let (zero, threshold) = previous.zero_with(self.zero_threshold);
        threshold != self.zero_threshold
            || self.zero_count < zero
            || self.fell(&self.positive, &previous.positive, previous.schema)
            || self.fell(&self.negative, &previous.negative, previous.schema)
    }

    /// Zero count and threshold after the zero bucket was widened.
    fn zero_with(&self, threshold: f64) -> (f64, f64) {
        if threshold == self.zero_threshold {
            return (self.zero_count, threshold);
        }
        let sides = [cells(&self.positive, 1.0), cells(&self.negative, 1.0)];
        let (zero, threshold) =
            zero_for_threshold(Term::new(self.zero_count), self.schema, &sides, threshold);
        (zero.sum, threshold)
    }

    /// Whether a bucket of `before`, brought to this one's schema, has lost observations. Those in the zero bucket
    /// do not count: it was looked at.
    fn fell(&self, now: &Buckets<f64>, before: &Buckets<f64>, schema: i32) -> bool {
        if schema == self.schema {
            return self.any_fell(now, before);
        }
        let coarser = before.reindexed(|index| coarser_index(index, schema, self.schema), |a, b| a + b);
        self.any_fell(now, &coarser)
    }

    fn any_fell(&self, now: &Buckets<f64>, before: &Buckets<f64>) -> bool {
        let mut current = now.iter().peekable();
        before.iter().any(|(index, before)| {
            while current.next_if(|(at, _)| *at < index).is_some() {}
            let now = current.peek().filter(|(at, _)| *at == index);
            now.is_none_or(|(_, now)| *now < before) && !self.is_in_zero_bucket(index)
        })
    }

    fn custom_reset_after(&self, previous: &Self) -> bool {
        if !previous.uses_custom_buckets() {
            return true;
        }
        if self.custom_bounds == previous.custom_bounds {
            return self.fell(&self.positive, &previous.positive, previous.schema);
        }
        let common = intersection(&self.custom_bounds, &previous.custom_bounds);
        let rolled = |histogram: &Self| {
            let mut terms = vec![Term::default(); common.len() + 1];
            roll_up(&cells(&histogram.positive, 1.0), &histogram.custom_bounds, &common, &mut terms);
            terms
        };
        rolled(self).iter().zip(rolled(previous)).any(|(now, before)| now.sum < before.sum)
    }
}
