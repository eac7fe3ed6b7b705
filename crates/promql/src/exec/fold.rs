//! What an aggregation keeps of a group at a step: the arithmetic is Prometheus's, operation by operation.

use super::fold_histograms::Handling;
use super::tile::{absent, is_present};
use crate::functions::{KahanSum, quantile};

/// The state of one group at one step.
pub(super) trait Cell: Clone + Send {
    /// The state before the first value.
    const EMPTY: Self;
    /// Whether there was no value yet.
    fn is_empty(&self) -> bool;
    /// The state after the first value.
    fn first(value: f64) -> Self;
    /// Takes in a further value.
    fn add(&mut self, value: f64);
    /// The result; `param` is the aggregation's parameter at this step.
    fn result(&mut self, param: f64) -> f64;
    /// How much work the result is: see [`super::pace`].
    fn work(&self) -> usize {
        1
    }
    /// What becomes of histograms.
    const HISTOGRAMS: Handling;
    /// Bytes that each value adds beyond the state itself.
    const BYTES_PER_VALUE: u64 = 0;
}

#[derive(Clone)]
pub(super) struct Sum(KahanSum);

impl Cell for Sum {
    const EMPTY: Self = Self(KahanSum::new(absent()));
    const HISTOGRAMS: Handling = Handling::Summed;

    fn is_empty(&self) -> bool {
        !is_present(self.0.sum)
    }

    fn first(value: f64) -> Self {
        Self(KahanSum::new(value))
    }

    fn add(&mut self, value: f64) {
        self.0.add(value);
    }

    fn result(&mut self, _: f64) -> f64 {
        self.0.value()
    }
}

/// The mean: the sum divided by the count while the sum does not overflow, from there on incrementally.
#[derive(Clone)]
pub(super) struct Avg {
    sum: KahanSum,
    count: f64,
    incremental: bool,
}

impl Cell for Avg {
    const EMPTY: Self = Self { sum: KahanSum::new(0.0), count: 0.0, incremental: false };
    const HISTOGRAMS: Handling = Handling::Averaged;

    fn is_empty(&self) -> bool {
        self.count == 0.0
    }

    fn first(value: f64) -> Self {
        Self { sum: KahanSum::new(value), count: 1.0, incremental: false }
    }

    fn add(&mut self, value: f64) {
        self.count += 1.0;
        if !self.incremental {
            let mut sum = self.sum;
            sum.add(value);
            if !sum.sum.is_infinite() {
                self.sum = sum;
                return;
            }
            self.incremental = true;
            self.sum.sum /= self.count - 1.0;
            self.sum.compensation /= self.count - 1.0;
        }
        let weight = (self.count - 1.0) / self.count;
        self.sum.sum *= weight;
        self.sum.compensation *= weight;
        self.sum.add(value / self.count);
    }

    fn result(&mut self, _: f64) -> f64 {
        if self.incremental {
            self.sum.value()
        } else {
            self.sum.sum / self.count + self.sum.compensation / self.count
        }
    }
}

#[derive(Clone)]
pub(super) struct Min(f64);

impl Cell for Min {
    const EMPTY: Self = Self(absent());
    const HISTOGRAMS: Handling = Handling::Ignored;

    fn is_empty(&self) -> bool {
        !is_present(self.0)
    }

    fn first(value: f64) -> Self {
        Self(value)
    }

    fn add(&mut self, value: f64) {
        if self.0 > value || self.0.is_nan() {
            self.0 = value;
        }
    }

    fn result(&mut self, _: f64) -> f64 {
        self.0
    }
}

#[derive(Clone)]
pub(super) struct Max(f64);

impl Cell for Max {
    const EMPTY: Self = Self(absent());
    const HISTOGRAMS: Handling = Handling::Ignored;

    fn is_empty(&self) -> bool {
        !is_present(self.0)
    }

    fn first(value: f64) -> Self {
        Self(value)
    }

    fn add(&mut self, value: f64) {
        if self.0 < value || self.0.is_nan() {
            self.0 = value;
        }
    }

    fn result(&mut self, _: f64) -> f64 {
        self.0
    }
}

#[derive(Clone)]
pub(super) struct Count(f64);

impl Cell for Count {
    const EMPTY: Self = Self(0.0);
    const HISTOGRAMS: Handling = Handling::Counted;

    fn is_empty(&self) -> bool {
        self.0 == 0.0
    }

    fn first(_: f64) -> Self {
        Self(1.0)
    }

    fn add(&mut self, _: f64) {
        self.0 += 1.0;
    }

    fn result(&mut self, _: f64) -> f64 {
        self.0
    }
}

#[derive(Clone)]
pub(super) struct Group(bool);

impl Cell for Group {
    const EMPTY: Self = Self(false);
    const HISTOGRAMS: Handling = Handling::Counted;

    fn is_empty(&self) -> bool {
        !self.0
    }

    fn first(_: f64) -> Self {
        Self(true)
    }

    fn add(&mut self, _: f64) {}

    fn result(&mut self, _: f64) -> f64 {
        1.0
    }
}

/// The population variance by Welford's method.
#[derive(Clone)]
pub(super) struct Stdvar {
    count: f64,
    mean: f64,
    squares: f64,
}

impl Cell for Stdvar {
    const EMPTY: Self = Self { count: 0.0, mean: 0.0, squares: 0.0 };
    const HISTOGRAMS: Handling = Handling::Ignored;

    fn is_empty(&self) -> bool {
        self.count == 0.0
    }

    fn first(value: f64) -> Self {
        Self { count: 1.0, mean: value, squares: if value.is_finite() { 0.0 } else { f64::NAN } }
    }

    fn add(&mut self, value: f64) {
        self.count += 1.0;
        let delta = value - self.mean;
        self.mean += delta / self.count;
        self.squares += delta * (value - self.mean);
    }

    fn result(&mut self, _: f64) -> f64 {
        self.squares / self.count
    }
}

/// The root of [`Stdvar`].
#[derive(Clone)]
pub(super) struct Stddev(Stdvar);

impl Cell for Stddev {
    const EMPTY: Self = Self(Stdvar::EMPTY);
    const HISTOGRAMS: Handling = Handling::Ignored;

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn first(value: f64) -> Self {
        Self(Stdvar::first(value))
    }

    fn add(&mut self, value: f64) {
        self.0.add(value);
    }

    fn result(&mut self, param: f64) -> f64 {
        self.0.result(param).sqrt()
    }
}

/// All values, for a quantile.
#[derive(Clone)]
pub(super) struct Quantile(Vec<f64>);

impl Cell for Quantile {
    const EMPTY: Self = Self(Vec::new());
    const HISTOGRAMS: Handling = Handling::Ignored;
    const BYTES_PER_VALUE: u64 = 16;

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn first(value: f64) -> Self {
        Self(vec![value])
    }

    fn add(&mut self, value: f64) {
        self.0.push(value);
    }

    fn result(&mut self, param: f64) -> f64 {
        quantile(param, &mut self.0)
    }

    fn work(&self) -> usize {
        self.0.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fold<C: Cell>(values: &[f64]) -> f64 {
        let mut cell = C::first(values[0]);
        values[1..].iter().for_each(|&value| cell.add(value));
        cell.result(0.5)
    }

    #[test]
    fn sums_lose_nothing_and_means_do_not_overflow() {
        assert_eq!(fold::<Sum>(&[1e100, 1.0, -1e100]), 1.0);
        assert_eq!(fold::<Avg>(&[f64::MAX, f64::MAX]), f64::MAX);
        assert_eq!(fold::<Avg>(&[1.0, 2.0, 6.0]), 3.0);
        assert!(fold::<Sum>(&[f64::INFINITY, 1.0]).is_infinite());
    }

    #[test]
    fn nan_counts_only_where_there_is_nothing_else() {
        assert_eq!(fold::<Max>(&[f64::NAN, 1.0]), 1.0);
        assert_eq!(fold::<Min>(&[2.0, f64::NAN, 1.0]), 1.0);
        assert!(fold::<Stdvar>(&[f64::INFINITY, 1.0]).is_nan());
        assert_eq!(fold::<Stddev>(&[1.0, 3.0]), 1.0);
        assert_eq!(fold::<Quantile>(&[3.0, 1.0, 2.0]), 2.0);
    }
}
