//! Samples of one series, packed: the encodings of chunks.
//!
//! ```text
//! 1 XOR               samples 2 B | bits: time, value | differences …
//! 2 histograms        samples 2 B | resets 1 B | bits: layout of buckets | histogram | differences …
//! 3 float histograms  samples 2 B | resets 1 B | bits: layout of buckets | histogram | differences …
//! ```
//!
//! What is decoded goes to a [`Sink`] sample by sample. The first histogram of a chunk says nothing of resets, as
//! Prometheus reads it: what the head of the chunk says is about a chunk before it that need not be there any more. The
//! others say that there was none, for which a new chunk would have been begun.

mod bit_writer;
mod bits;
mod encode;
mod float_histograms;
mod floats;
mod histogram_run;
mod histograms;
mod layout;
#[cfg(test)]
mod tests;
mod xor;
mod xor_writer;

use latewood_model::{NativeHistogram, TimestampMs};

use bits::Bits;
pub use encode::{Chunk, encode};

/// Takes the samples of a chunk in their order.
pub(crate) trait Sink {
    /// A float, stale markers included.
    fn float(&mut self, at: TimestampMs, value: f64) -> Result<(), Fault>;
    /// A histogram, stale markers included.
    fn histogram(&mut self, at: TimestampMs, histogram: NativeHistogram) -> Result<(), Fault>;
}

/// Why a chunk is not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It is not what a writer writes.
    Damaged(String),
    /// It is more than is read.
    TooLarge(String, u64),
    /// Its encoding is not known here.
    Encoding(u8),
}

impl Fault {
    fn damaged(problem: impl Into<String>) -> Self {
        Self::Damaged(problem.into())
    }
}

/// The bits end before the samples do.
fn ended() -> Fault {
    Fault::damaged("the chunk ends before its last sample")
}

/// Decodes a chunk.
pub(crate) fn decode(encoding: u8, chunk: &[u8], sink: &mut impl Sink) -> Result<(), Fault> {
    let (samples, rest) = chunk.split_first_chunk().ok_or_else(ended)?;
    let samples = u16::from_be_bytes(*samples);
    match encoding {
        1 => floats::decode(samples, Bits::new(rest), sink),
        2 | 3 => {
            let (&resets, rest) = rest.split_first().ok_or_else(ended)?;
            let resets = Resets::of(resets);
            match encoding {
                2 => histogram_run::decode::<histograms::State>(samples, resets, Bits::new(rest), sink),
                _ => histogram_run::decode::<float_histograms::State>(samples, resets, Bits::new(rest), sink),
            }
        }
        other => Err(Fault::Encoding(other)),
    }
}

/// What the head of a chunk of histograms says of resets, as far as it is about the histograms in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Resets {
    /// They are counters.
    Counters,
    /// They rise and fall.
    Gauges,
}

impl Resets {
    fn of(flags: u8) -> Self {
        if flags & 0b1100_0000 == 0b1100_0000 { Self::Gauges } else { Self::Counters }
    }

    /// The hint of a histogram, by its place in the chunk.
    fn hint(self, place: u16) -> latewood_model::histogram::ResetHint {
        use latewood_model::histogram::ResetHint;
        match (self, place) {
            (Self::Gauges, _) => ResetHint::Gauge,
            (Self::Counters, 0) => ResetHint::Unknown,
            (Self::Counters, _) => ResetHint::NoReset,
        }
    }
}
