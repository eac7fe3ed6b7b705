//! Histograms with float counts: times are differences of differences, all else is what changed in the bits.

use latewood_model::histogram::PartCounts;
use latewood_model::is_stale;

use super::bits::Bits;
use super::layout::Layout;
use super::xor::XorFloat;
use super::{Fault, Resets, Sink};

/// The newest histogram.
struct State {
    at: i64,
    delta: i64,
    count: XorFloat,
    zero_count: XorFloat,
    sum: XorFloat,
    positive: Vec<XorFloat>,
    negative: Vec<XorFloat>,
}

impl State {
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

    fn counts(&self) -> PartCounts<'static> {
        let values = |side: &[XorFloat]| side.iter().map(XorFloat::value).collect::<Vec<_>>().into();
        PartCounts::Float {
            count: self.count.value(),
            zero_count: self.zero_count.value(),
            positive_counts: values(&self.positive),
            negative_counts: values(&self.negative),
        }
    }
}

pub(super) fn decode(
    samples: u16,
    resets: Resets,
    mut bits: Bits<'_>,
    sink: &mut impl Sink,
) -> Result<(), Fault> {
    if samples == 0 {
        return Ok(());
    }
    let layout = Layout::read(&mut bits)?;
    let mut state = State::first(&layout, &mut bits)?;
    for place in 0..samples {
        if place > 0 {
            state.step(&mut bits)?;
        }
        let histogram = layout.histogram(resets.hint(place), state.sum.value(), state.counts())?;
        sink.histogram(state.at, histogram)?;
    }
    Ok(())
}
