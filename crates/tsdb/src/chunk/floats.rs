//! The encoding XOR: floats.

use super::bits::Bits;
use super::xor::XorFloat;
use super::{Fault, Sink};

/// The first time and value are as they are, the second time as a difference, later ones as differences of differences.
pub(super) fn decode(samples: u16, mut bits: Bits<'_>, sink: &mut impl Sink) -> Result<(), Fault> {
    if samples == 0 {
        return Ok(());
    }
    let (mut at, mut delta) = (bits.varint()?, 0_i64);
    let mut value = XorFloat::first(&mut bits)?;
    sink.float(at, value.value())?;
    for place in 1..samples {
        delta = match place {
            1 => bits.uvarint()? as i64,
            _ => delta.wrapping_add(bits.time_difference()?),
        };
        at = at.wrapping_add(delta);
        value.step(&mut bits)?;
        sink.float(at, value.value())?;
    }
    Ok(())
}
