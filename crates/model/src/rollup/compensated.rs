//! Compensated sums without branches, for loops over many samples.

/// A sum and what rounding took from it: Knuth's two-sum (The Art of Computer Programming 2, 4.2.2), which finds the
/// rounding error that Kahan's and Neumaier's algorithms find, without asking which of the two numbers is the greater.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct CompensatedSum {
    sum: f64,
    lost: f64,
}

impl CompensatedSum {
    #[inline]
    pub(super) fn add(&mut self, value: f64) {
        let total = self.sum + value;
        let taken = total - self.sum;
        self.lost += (self.sum - (total - taken)) + (value - taken);
        self.sum = total;
    }

    /// The sum. One that overflowed, or that infinities or NaNs took part in, has no compensation: it is NaN.
    #[inline]
    pub(super) fn value(self) -> f64 {
        if self.sum.is_finite() { self.sum + self.lost } else { self.sum }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(values: &[f64]) -> f64 {
        let mut sum = CompensatedSum::default();
        values.iter().for_each(|value| sum.add(*value));
        sum.value()
    }

    #[test]
    fn small_values_survive_large_ones_and_infinity_stays() {
        assert_eq!(sum(&[1.0, 1e100, 1.0, -1e100]), 2.0);
        assert_eq!(sum(&[f64::MAX, f64::MAX, 1.0]), f64::INFINITY);
        assert_eq!(sum(&[1.0, f64::NEG_INFINITY, 5.0]), f64::NEG_INFINITY);
        assert!(sum(&[f64::INFINITY, f64::NEG_INFINITY]).is_nan());
        assert_eq!(sum(&[-0.0]).to_bits(), 0);
    }
}
