//! Writes what [`super::bits::Bits`] reads.

use crate::cursor::zigzag;

use super::bits::{TIME_WIDTHS, WIDTHS};

/// Bits of a chunk, the highest of each byte first.
#[derive(Debug, Default)]
pub(super) struct BitWriter {
    bytes: Vec<u8>,
    /// Bits that are free in the last byte.
    free: u32,
}

impl BitWriter {
    /// The bytes, the last one filled up with zeros.
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// The lowest bits of a number, 64 at most.
    pub(super) fn put(&mut self, bits: u64, mut count: u32) {
        while count > 0 {
            if self.free == 0 {
                self.bytes.push(0);
                self.free = 8;
            }
            let taken = count.min(self.free);
            let part = bits >> (count - taken) & ((1 << taken) - 1);
            if let Some(last) = self.bytes.last_mut() {
                *last |= (part << (self.free - taken)) as u8;
            }
            self.free -= taken;
            count -= taken;
        }
    }

    pub(super) fn float(&mut self, value: f64) {
        self.put(value.to_bits(), 64);
    }

    /// As many ones as the place of a width says, and a zero unless it is the last one.
    fn width(&mut self, widths: &[u32], fits: impl Fn(u32) -> bool) -> u32 {
        let last = widths.len().saturating_sub(1);
        let place = widths.iter().take(last).position(|width| fits(*width)).unwrap_or(last);
        (0..place).for_each(|_| self.put(1, 1));
        if place < last {
            self.put(0, 1);
        }
        widths.get(place).copied().unwrap_or(0)
    }

    /// `<varbit_uint>`
    pub(super) fn varbit(&mut self, value: u64) {
        let width = self.width(&WIDTHS, |width| width == 64 || value >> width == 0);
        self.put(value, width);
    }

    /// `<varbit_int>`
    pub(super) fn signed_varbit(&mut self, value: i64) {
        let width = self.width(&WIDTHS, |width| fits(value, width));
        self.put(value as u64, width);
    }

    /// `<varbit_ts>`: a difference of differences of times.
    pub(super) fn time_difference(&mut self, value: i64) {
        let width = self.width(&TIME_WIDTHS, |width| fits(value, width));
        self.put(value as u64, width);
    }

    /// `<uvarint>`
    pub(super) fn uvarint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.put(value | 0x80, 8);
            value >>= 7;
        }
        self.put(value, 8);
    }

    /// `<varint>`
    pub(super) fn varint(&mut self, value: i64) {
        self.uvarint(zigzag(value));
    }
}

/// Whether a number is among those of a width: one further up than usual.
fn fits(value: i64, width: u32) -> bool {
    match width {
        0 => value == 0,
        64 => true,
        _ => (-(1_i64 << (width - 1)) + 1..=1 << (width - 1)).contains(&value),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::bits::Bits;
    use super::*;

    fn number() -> impl Strategy<Value = i64> {
        (any::<i64>(), 0..64_u32, -2..=2_i64)
            .prop_map(|(number, shift, by)| (number >> shift).wrapping_add(by))
    }

    proptest! {
        #[test]
        fn numbers_are_read_as_they_were_written(numbers in prop::collection::vec((0..6, number()), 1..40)) {
            let mut out = BitWriter::default();
            for &(kind, number) in &numbers {
                match kind {
                    0 => out.varbit(number as u64),
                    1 => out.signed_varbit(number),
                    2 => out.time_difference(number),
                    3 => out.uvarint(number as u64),
                    4 => out.varint(number),
                    _ => out.put(number as u64, 13),
                }
            }
            let bytes = out.into_bytes();
            let mut bits = Bits::new(&bytes);
            for (kind, number) in numbers {
                let read = match kind {
                    0 => bits.varbit().unwrap() as i64,
                    1 => bits.signed_varbit().unwrap(),
                    2 => bits.time_difference().unwrap(),
                    3 => bits.uvarint().unwrap() as i64,
                    4 => bits.varint().unwrap(),
                    _ => bits.take(13).unwrap() as i64,
                };
                prop_assert_eq!(read, if kind == 5 { number & 0x1fff } else { number }, "{}", kind);
            }
            prop_assert!(bits.left() < 8);
        }
    }
}
