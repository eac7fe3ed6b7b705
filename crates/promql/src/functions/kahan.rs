//! Compensated summation (Kahan, with Neumaier's improvement).

/// A sum and what rounding took from it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct KahanSum {
    /// The sum as plainly added.
    pub sum: f64,
    /// The compensation, to be added at the end.
    pub compensation: f64,
}

impl KahanSum {
    /// Starts at a value.
    #[must_use]
    pub const fn new(sum: f64) -> Self {
        Self { sum, compensation: 0.0 }
    }

    /// Adds a value. A sum that overflows has no compensation, which would make NaN of infinity.
    #[inline]
    pub fn add(&mut self, value: f64) {
        let total = self.sum + value;
        if total.is_infinite() {
            self.compensation = 0.0;
        } else if self.sum.abs() >= value.abs() {
            self.compensation += (self.sum - total) + value;
        } else {
            self.compensation += (value - total) + self.sum;
        }
        self.sum = total;
    }

    /// Sum and compensation.
    #[must_use]
    pub fn value(self) -> f64 {
        self.sum + self.compensation
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_values_survive_large_ones() {
        let mut sum = KahanSum::default();
        [1.0, 1e100, 1.0, -1e100].iter().for_each(|value| sum.add(*value));
        assert_eq!(sum.value(), 2.0);
    }

    #[test]
    fn infinity_stays_infinity() {
        let mut sum = KahanSum::default();
        [f64::MAX, f64::MAX, 1.0].iter().for_each(|value| sum.add(*value));
        assert_eq!(sum.value(), f64::INFINITY);
    }
}
