//! A float as what changed in its bits since the one before.

use super::bits::Bits;
use super::{Fault, ended};

/// A float, and which of its bits changed last: `leading` unchanged ones, `64 − leading − trailing` others.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct XorFloat {
    bits: u64,
    leading: u32,
    trailing: u32,
}

impl XorFloat {
    /// The first one, as it is.
    pub(super) fn first(bits: &mut Bits<'_>) -> Result<Self, Fault> {
        Ok(Self { bits: bits.take(64)?, ..Self::default() })
    }

    pub(super) fn value(&self) -> f64 {
        f64::from_bits(self.bits)
    }

    /// `<varbit_xor>`: the next one.
    pub(super) fn step(&mut self, bits: &mut Bits<'_>) -> Result<(), Fault> {
        if !bits.bit()? {
            return Ok(());
        }
        if bits.bit()? {
            let (leading, count) = (bits.take(5)? as u32, bits.take(6)? as u32);
            // Of 64 bits the number does not fit.
            let count = if count == 0 { 64 } else { count };
            let trailing = 64_u32.checked_sub(leading + count);
            self.leading = leading;
            self.trailing = trailing.ok_or_else(|| Fault::damaged("a float has more than 64 bits"))?;
        }
        let count = 64_u32.checked_sub(self.leading + self.trailing).ok_or_else(ended)?;
        // Fewer than 64, as at least one bit changed.
        self.bits ^= bits.take(count)? << self.trailing;
        Ok(())
    }
}
