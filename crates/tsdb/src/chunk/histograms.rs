//! Histograms with integer counts: all numbers but the sum are differences of differences.

use latewood_model::histogram::PartCounts;
use latewood_model::{TimestampMs, is_stale};

use super::Fault;
use super::bits::Bits;
use super::histogram_run::HistogramState;
use super::layout::Layout;
use super::xor::XorFloat;

/// A number and how much it changed last.
#[derive(Clone, Copy, Debug, Default)]
struct Dod {
    value: i64,
    delta: i64,
}

impl Dod {
    fn step(&mut self, bits: &mut Bits<'_>) -> Result<(), Fault> {
        self.delta = self.delta.wrapping_add(bits.signed_varbit()?);
        self.value = self.value.wrapping_add(self.delta);
        Ok(())
    }
}

/// Buckets as they are written: each as its difference from the one before in the same histogram.
#[derive(Clone, Debug, Default)]
struct Buckets {
    values: Vec<i64>,
    deltas: Vec<i64>,
}

impl Buckets {
    fn first(count: usize, bits: &mut Bits<'_>) -> Result<Self, Fault> {
        let values = (0..count).map(|_| bits.signed_varbit()).collect::<Result<Vec<_>, _>>()?;
        Ok(Self { deltas: vec![0; values.len()], values })
    }

    fn step(&mut self, bits: &mut Bits<'_>) -> Result<(), Fault> {
        for (value, delta) in self.values.iter_mut().zip(&mut self.deltas) {
            *delta = delta.wrapping_add(bits.signed_varbit()?);
            *value = value.wrapping_add(*delta);
        }
        Ok(())
    }
}

/// The newest histogram.
pub(super) struct State {
    at: Dod,
    count: Dod,
    zero_count: Dod,
    sum: XorFloat,
    positive: Buckets,
    negative: Buckets,
}

impl HistogramState for State {
    fn first(layout: &Layout, bits: &mut Bits<'_>) -> Result<Self, Fault> {
        let at = Dod { value: bits.signed_varbit()?, delta: 0 };
        let count = Dod { value: bits.varbit()? as i64, delta: 0 };
        let zero_count = Dod { value: bits.varbit()? as i64, delta: 0 };
        let sum = XorFloat::first(bits)?;
        let positive = Buckets::first(layout.positive.buckets, bits)?;
        let negative = Buckets::first(layout.negative.buckets, bits)?;
        Ok(Self { at, count, zero_count, sum, positive, negative })
    }

    fn step(&mut self, bits: &mut Bits<'_>) -> Result<(), Fault> {
        self.at.step(bits)?;
        self.count.step(bits)?;
        self.zero_count.step(bits)?;
        self.sum.step(bits)?;
        // A stale marker has no buckets.
        if !is_stale(self.sum.value()) {
            self.positive.step(bits)?;
            self.negative.step(bits)?;
        }
        Ok(())
    }

    fn at(&self) -> TimestampMs {
        self.at.value
    }

    fn sum(&self) -> f64 {
        self.sum.value()
    }

    fn counts(&self) -> PartCounts<'_> {
        PartCounts::Integer {
            count: self.count.value as u64,
            zero_count: self.zero_count.value as u64,
            positive_deltas: self.positive.values.as_slice().into(),
            negative_deltas: self.negative.values.as_slice().into(),
        }
    }
}
