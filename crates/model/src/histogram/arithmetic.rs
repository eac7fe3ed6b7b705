//! Sums, differences, multiples and comparisons of histograms.

use super::schema::coarser_index;
use std::sync::Arc;

use super::total::HistogramTotal;
use super::{Buckets, FloatHistogram, IncompatibleSchemas, Reconciled, ResetHint};

impl FloatHistogram {
    /// The sum of the two.
    ///
    /// # Errors
    /// [`IncompatibleSchemas`]
    pub fn add(&self, other: &Self) -> Result<(Self, Reconciled), IncompatibleSchemas> {
        self.combined(other, 1.0)
    }

    /// The difference of the two. The reset hint is that of a sum.
    ///
    /// # Errors
    /// [`IncompatibleSchemas`]
    pub fn sub(&self, other: &Self) -> Result<(Self, Reconciled), IncompatibleSchemas> {
        self.combined(other, -1.0)
    }

    fn combined(&self, other: &Self, sign: f64) -> Result<(Self, Reconciled), IncompatibleSchemas> {
        if self.adds_up_bucket_by_bucket(other) {
            return Ok(self.combined_alike(other, sign));
        }
        let mut total = HistogramTotal::new(self);
        let reconciled = total.combine(other, sign, false)?;
        Ok((total.finish_with(|term| term.sum), reconciled))
    }

    /// Whether there is nothing to reconcile.
    fn adds_up_bucket_by_bucket(&self, other: &Self) -> bool {
        let sides = [(&self.positive, &other.positive), (&self.negative, &other.negative)];
        self.schema == other.schema
            && self.zero_threshold == other.zero_threshold
            && self.custom_bounds == other.custom_bounds
            && sides.into_iter().all(|(mine, theirs)| {
                let first = mine.layout().first();
                mine.same_layout(theirs) && first.is_none_or(|index| !self.is_in_zero_bucket(*index))
            })
    }

    /// The quick way of what a [`HistogramTotal`] does; the numbers are the same.
    fn combined_alike(&self, other: &Self, sign: f64) -> (Self, Reconciled) {
        let side = |mine: &Buckets<f64>, theirs: &Buckets<f64>| {
            let counts = mine.counts().iter().zip(theirs.counts()).map(|(a, b)| a + sign * b).collect();
            Buckets::from_layout(mine.layout(), counts)
        };
        let (reset_hint, reset_collision) = self.reset_hint.combined(other.reset_hint);
        let result = Self {
            schema: self.schema,
            zero_threshold: self.zero_threshold,
            custom_bounds: Arc::clone(&self.custom_bounds),
            reset_hint,
            sum: self.sum + sign * other.sum,
            count: self.count + sign * other.count,
            zero_count: self.zero_count + sign * other.zero_count,
            positive: side(&self.positive, &other.positive),
            negative: side(&self.negative, &other.negative),
        };
        (result, Reconciled { reset_collision, bounds: false })
    }

    /// Multiplies everything that counts; a negative factor makes a gauge.
    pub fn multiply(&mut self, factor: f64) {
        self.scale(|number| number * factor);
        if factor < 0.0 {
            self.reset_hint = ResetHint::Gauge;
        }
    }

    /// Divides everything that counts; a negative divisor makes a gauge, zero removes the buckets.
    pub fn divide(&mut self, divisor: f64) {
        if divisor == 0.0 {
            (self.positive, self.negative) = (Buckets::default(), Buckets::default());
        }
        self.scale(|number| number / divisor);
        if divisor < 0.0 {
            self.reset_hint = ResetHint::Gauge;
        }
    }

    fn scale(&mut self, f: impl Fn(f64) -> f64) {
        self.zero_count = f(self.zero_count);
        self.count = f(self.count);
        self.sum = f(self.sum);
        for side in [&mut self.positive, &mut self.negative] {
            let counts = side.counts().iter().map(|count| f(*count)).collect();
            *side = Buckets::from_layout(side.layout(), counts);
        }
    }

    /// The same in a coarser exponential schema; its reset hint is unknown. Other schemas leave it as it is.
    #[must_use]
    pub fn to_schema(&self, schema: i32) -> Self {
        if schema >= self.schema || self.uses_custom_buckets() || super::is_custom(schema) {
            return self.clone();
        }
        let coarser = |side: &Buckets<f64>| {
            side.reindexed(|index| coarser_index(index, self.schema, schema), |a, b| a + b)
        };
        Self {
            schema,
            reset_hint: ResetHint::Unknown,
            positive: coarser(&self.positive),
            negative: coarser(&self.negative),
            ..self.clone()
        }
    }

    /// Whether the two say the same, reset hints apart. NaNs equal themselves.
    #[must_use]
    pub fn same_data(&self, other: &Self) -> bool {
        self.schema == other.schema
            && self.count.to_bits() == other.count.to_bits()
            && self.sum.to_bits() == other.sum.to_bits()
            && self.zero_threshold == other.zero_threshold
            && self.zero_count.to_bits() == other.zero_count.to_bits()
            && self.custom_bounds == other.custom_bounds
            && self.positive == other.positive
            && self.negative == other.negative
    }
}
