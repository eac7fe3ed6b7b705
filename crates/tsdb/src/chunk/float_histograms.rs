//! Histograms with float counts: times are differences of differences, all else is what changed in the bits.

use latewood_model::histogram::PartCounts;
use latewood_model::{TimestampMs, is_stale};

use super::Fault;
use super::bits::Bits;
use super::histogram_run::HistogramState;
use super::layout::Layout;
use super::xor::XorFloat;

/// The newest histogram.
pub(super) struct State {
    at: i64,
    delta: i64,
    count: XorFloat,
    zero_count: XorFloat,
    sum: XorFloat,
    positive: Vec<XorFloat>,
    negative: Vec<XorFloat>,
}

impl HistogramState for State {
    fn first(layout: &Layout, bits: &mut Bits<'_>) -> Result<Self, Fault> {
        let at = bits.signed_varbit()?;
        let (count, zero_count) = (XorFloat::first(bits)?, XorFloat::first(bits)?);
        let sum = XorFloat::first(bits)?;
        let mut side = |buckets| (0..buckets).map(|_| XorFloat::first(bits)).collect::<Result<_, _>>();
        let (positive, negative) = (side(layout.positive.buckets)?, side(layout.negative.buckets)?);
        Ok(Self { at, delta: 0, count, zero_count, sum, positive, negative })
    }

    fn step(&mut self, bits: &mut Bits<'_>) -> Result<(), Fault> {
        self.delta = self.delta.wrapping_add(bits.signed_varbit()?);
        self.at = self.at.wrapping_add(self.delta);
        self.count.step(bits)?;
        self.zero_count.step(bits)?;
        self.sum.step(bits)?;
        // A stale marker has no buckets.
        if !is_stale(self.sum.value()) {
            let mut buckets = self.positive.iter_mut().chain(&mut self.negative);
            buckets.try_for_each(|bucket| bucket.step(bits))?;
        }
        Ok(())
    }

    fn at(&self) -> TimestampMs {
        self.at
    }

    fn sum(&self) -> f64 {
        self.sum.value()
    }

    fn counts(&self) -> PartCounts<'_> {
        let values = |side: &[XorFloat]| side.iter().map(XorFloat::value).collect::<Vec<_>>().into();
        PartCounts::Float {
            count: self.count.value(),
            zero_count: self.zero_count.value(),
            positive_counts: values(&self.positive),
            negative_counts: values(&self.negative),
        }
    }
}
