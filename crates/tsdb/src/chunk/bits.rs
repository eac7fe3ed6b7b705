//! Bits of a chunk, the highest of each byte first, and the numbers that are written in them.

use super::{Fault, ended};
use crate::cursor::unzigzag;

/// Widths of [`Bits::varbit`] by how many ones come before.
pub(super) const WIDTHS: [u32; 9] = [0, 3, 6, 9, 12, 18, 25, 56, 64];

/// Widths of [`Bits::time_difference`], likewise.
pub(super) const TIME_WIDTHS: [u32; 5] = [0, 14, 17, 20, 64];

/// Reads forwards.
#[derive(Clone, Debug)]
pub(super) struct Bits<'a> {
    bytes: &'a [u8],
    /// Bits read so far.
    at: usize,
}

impl<'a> Bits<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Bits that are left.
    pub(super) fn left(&self) -> usize {
        (self.bytes.len() * 8).saturating_sub(self.at)
    }

    /// The next bits, 64 at most, as a number.
    pub(super) fn take(&mut self, count: u32) -> Result<u64, Fault> {
        debug_assert!(count <= 64);
        if count == 0 {
            return Ok(0);
        }
        if self.left() < count as usize {
            return Err(ended());
        }
        let rest = self.bytes.get(self.at / 8..).unwrap_or_default();
        let word = match rest.first_chunk::<16>() {
            Some(word) => u128::from_be_bytes(*word),
            None => rest
                .iter()
                .zip(0..16)
                .fold(0, |word, (&byte, place)| word | u128::from(byte) << (120 - 8 * place)),
        };
        let aligned = word << (self.at % 8);
        self.at += count as usize;
        Ok((aligned >> (128 - count)) as u64)
    }

    pub(super) fn bit(&mut self) -> Result<bool, Fault> {
        self.take(1).map(|bit| bit == 1)
    }

    pub(super) fn float(&mut self) -> Result<f64, Fault> {
        self.take(64).map(f64::from_bits)
    }

    /// A width by its number of ones, ended by a zero unless it is the last one.
    fn width(&mut self, widths: &[u32]) -> Result<u32, Fault> {
        for width in widths.iter().take(widths.len().saturating_sub(1)) {
            if !self.bit()? {
                return Ok(*width);
            }
        }
        Ok(widths.last().copied().unwrap_or(0))
    }

    /// `<varbit_uint>`
    pub(super) fn varbit(&mut self) -> Result<u64, Fault> {
        let width = self.width(&WIDTHS)?;
        self.take(width)
    }

    /// `<varbit_int>`
    pub(super) fn signed_varbit(&mut self) -> Result<i64, Fault> {
        let width = self.width(&WIDTHS)?;
        self.take(width).map(|bits| signed(bits, width))
    }

    /// `<varbit_ts>`: a difference of differences of times.
    pub(super) fn time_difference(&mut self) -> Result<i64, Fault> {
        let width = self.width(&TIME_WIDTHS)?;
        self.take(width).map(|bits| signed(bits, width))
    }

    /// `<uvarint>`, in bytes that need not lie on a border.
    pub(super) fn uvarint(&mut self) -> Result<u64, Fault> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.take(8)?;
            if shift == 63 && byte > 1 {
                break;
            }
            value |= (byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Fault::damaged("a number has more than 64 bits"))
    }

    /// `<varint>`
    pub(super) fn varint(&mut self) -> Result<i64, Fault> {
        self.uvarint().map(unzigzag)
    }
}

/// The number that bits of a width stand for: from −(2^(n−1) − 1) to 2^(n−1), which is one more than usual at the upper end.
fn signed(bits: u64, width: u32) -> i64 {
    match width {
        0 => 0,
        64 => bits as i64,
        _ if bits > 1 << (width - 1) => bits as i64 - (1 << width),
        _ => bits as i64,
    }
}

/// The bytes of a text of zeros and ones, padded with zeros.
#[cfg(test)]
pub(super) fn packed(text: &str) -> Vec<u8> {
    let byte =
        |bits: &[u8]| bits.iter().zip(0..8).fold(0, |byte, (bit, place)| byte | (bit - b'0') << (7 - place));
    text.as_bytes().chunks(8).map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_taken_across_bytes_and_never_beyond_the_end() {
        let bytes: Vec<u8> = (1..=20).collect();
        let whole = bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:08b}"));
        let (mut bits, mut at) = (Bits::new(&bytes), 0);
        for count in [1, 7, 3, 64, 0, 13, 57, 15] {
            let expected = u64::from_str_radix(&format!("0{}", &whole[at..at + count as usize]), 2).unwrap();
            assert_eq!(bits.take(count).unwrap(), expected, "{count} bits at {at}");
            at += count as usize;
        }
        assert_eq!((bits.left(), bits.take(1).is_err()), (0, true));
        assert!(Bits::new(&bytes[..7]).take(64).is_err());
    }

    #[test]
    fn signed_numbers_reach_one_further_up() {
        assert_eq!(
            [(3, 4), (3, 5), (3, 7), (14, 8192), (14, 8193)].map(|(width, bits)| signed(bits, width)),
            [4, -3, -1, 8192, -8191]
        );
        assert_eq!(signed(u64::MAX, 64), -1);
        assert_eq!(signed((1 << 55) + 1, 56), -(1 << 55) + 1);
    }
}
