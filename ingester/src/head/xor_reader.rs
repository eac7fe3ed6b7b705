//! Unpacks the bits of an open chunk.

use latewood_model::{NO_START, Sample, TimeRange, TimestampMs};

use super::bits::BitReader;
use super::chunk::{START_BYTES, TIME_WIDTHS};
use super::started::StartedSamples;

/// Unpacks what [`OpenChunk`](super::chunk::OpenChunk) packed.
pub(super) struct XorReader<'a> {
    bits: BitReader<'a>,
    left: u32,
    first: Option<TimestampMs>,
    at: TimestampMs,
    delta: i64,
    value: u64,
    leading: u32,
    significant: u32,
    has_starts: bool,
    start: TimestampMs,
}

impl<'a> XorReader<'a> {
    /// Reads `count` samples; the time of the first one is not among the bits.
    pub(super) fn new(bytes: &'a [u8], first: TimestampMs, count: u32, has_starts: bool) -> Self {
        let skipped = if has_starts { START_BYTES } else { 0 };
        Self {
            bits: BitReader::new(bytes.get(skipped..).unwrap_or_default()),
            has_starts,
            start: NO_START,
            left: count,
            first: Some(first),
            at: 0,
            delta: 0,
            value: 0,
            leading: 0,
            significant: 0,
        }
    }

    /// Adds the samples within a range with their start timestamps, oldest first.
    pub(super) fn read(mut self, range: TimeRange, out: &mut StartedSamples) {
        while let Some(sample) = self.next()
            && sample.timestamp <= range.end
        {
            if sample.timestamp >= range.start {
                out.push(sample, self.start);
            }
        }
    }

    #[inline]
    fn next(&mut self) -> Option<Sample> {
        self.left = self.left.checked_sub(1)?;
        match self.first.take() {
            Some(first) => self.at = first,
            None => {
                self.delta = self.delta.wrapping_add(self.read_change()?);
                self.at = self.at.wrapping_add(self.delta);
            }
        }
        self.read_value()?;
        if self.has_starts {
            self.start = self.start.wrapping_add(self.read_change()?);
        }
        Some(Sample { timestamp: self.at, value: f64::from_bits(self.value) })
    }

    #[inline]
    fn read_change(&mut self) -> Option<i64> {
        let class = self.bits.ones(TIME_WIDTHS.len() as u32 - 1)?;
        let width = *TIME_WIDTHS.get(class as usize)?;
        if width == 0 {
            return Some(0);
        }
        let (raw, unused) = (self.bits.bits(width)?, 64 - width);
        Some(((raw << unused) as i64) >> unused)
    }

    #[inline]
    fn read_value(&mut self) -> Option<()> {
        if !self.bits.bit()? {
            return Some(());
        }
        if self.bits.bit()? {
            let header = self.bits.bits(11)? as u32;
            (self.leading, self.significant) = (header >> 6, (header & 63) + 1);
        }
        let shift = 64_u32.checked_sub(self.leading + self.significant)?;
        self.value ^= self.bits.bits(self.significant)?.checked_shl(shift)?;
        Some(())
    }
}
