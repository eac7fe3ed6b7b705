//! Chunks of histograms: a layout that all have, the first one whole, the others as what changed.

use latewood_model::TimestampMs;
use latewood_model::histogram::PartCounts;

use super::bits::Bits;
use super::layout::Layout;
use super::{Fault, Resets, Sink};

/// The newest histogram of a chunk.
pub(super) trait HistogramState: Sized {
    /// Reads the first one.
    fn first(layout: &Layout, bits: &mut Bits<'_>) -> Result<Self, Fault>;

    /// Reads the next one.
    fn step(&mut self, bits: &mut Bits<'_>) -> Result<(), Fault>;

    /// Its time.
    fn at(&self) -> TimestampMs;

    /// The sum of what was observed.
    fn sum(&self) -> f64;

    /// All other numbers.
    fn counts(&self) -> PartCounts<'_>;
}

/// Hands the histograms of a chunk to the sink.
pub(super) fn decode<S: HistogramState>(
    samples: u16,
    resets: Resets,
    mut bits: Bits<'_>,
    sink: &mut impl Sink,
) -> Result<(), Fault> {
    if samples == 0 {
        return Ok(());
    }
    let layout = Layout::read(&mut bits)?;
    let mut state = S::first(&layout, &mut bits)?;
    for place in 0..samples {
        if place > 0 {
            state.step(&mut bits)?;
        }
        let histogram = layout.histogram(resets.hint(place), state.sum(), state.counts())?;
        sink.histogram(state.at(), histogram)?;
    }
    Ok(())
}
