//! Compensated summation (Kahan, with Neumaier's improvement).

/// A sum and what rounding took from it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Term {
    /// As plainly added.
    pub(super) sum: f64,
    /// The compensation, to be added at the end.
    pub(super) lost: f64,
}

impl Term {
    /// Starts at a value.
    pub(super) fn new(sum: f64) -> Self {
        Self { sum, lost: 0.0 }
    }

    /// Adds a value. A sum that overflows has no compensation, which would make NaN of infinity.
    #[inline]
    pub(super) fn inc(&mut self, value: f64) {
        let total = self.sum + value;
        if total.is_infinite() {
            self.lost = 0.0;
        } else if self.sum.abs() >= value.abs() {
            self.lost += (self.sum - total) + value;
        } else {
            self.lost += (value - total) + self.sum;
        }
        self.sum = total;
    }

    /// Adds a sum with its compensation.
    pub(super) fn merge(&mut self, other: Self) {
        self.inc(other.sum);
        if other.lost != 0.0 {
            self.inc(other.lost);
        }
    }

    /// Both parts changed by a function.
    pub(super) fn map(self, f: impl Fn(f64) -> f64) -> Self {
        Self { sum: f(self.sum), lost: f(self.lost) }
    }

    /// Sum and compensation.
    pub(super) fn value(self) -> f64 {
        self.sum + self.lost
    }
}
