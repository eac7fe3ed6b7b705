//! Bits appended to and read from a byte vector, most significant bit first.
//!
//! The writer's state (how many bits of the last byte are free) lives with its owner, so that a series
//! pays one byte for it.

/// Appends the lowest `count` bits of `value` (`count` ≤ 64). `free` is the number of unused low bits in
/// the last byte of `bytes`, below 8.
pub(super) fn push_bits(bytes: &mut Vec<u8>, free: &mut u8, value: u64, count: u32) {
    let mut left = count;
    let mut rest = if left == 0 { 0 } else { value << (64 - left) };
    if *free > 0
        && let Some(last) = bytes.last_mut()
        && left > 0
    {
        let taken = left.min(u32::from(*free));
        let top = (rest >> 56) as u8;
        // The top `taken` bits of `rest` go below the used bits of the last byte.
        let kept = if taken >= 8 { top } else { top & !(0xff >> taken) };
        *last |= kept >> (8 - u32::from(*free));
        *free -= taken as u8;
        left -= taken;
        rest = rest.checked_shl(taken).unwrap_or(0);
    }
    while left > 0 {
        let taken = left.min(8);
        let top = (rest >> 56) as u8;
        bytes.push(if taken >= 8 { top } else { top & !(0xff >> taken) });
        *free = (8 - taken) as u8;
        left -= taken;
        rest = rest.checked_shl(taken).unwrap_or(0);
    }
}

/// Reads bits in the order they were pushed. Behind the end it gives `None`, never a panic.
#[derive(Debug)]
pub(super) struct BitReader<'a> {
    bytes: &'a [u8],
    /// Bits read ahead, in the upper end.
    ahead: u64,
    ahead_count: u32,
}

impl<'a> BitReader<'a> {
    /// Reads from the first bit.
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, ahead: 0, ahead_count: 0 }
    }

    /// The next bit.
    #[inline]
    pub(super) fn bit(&mut self) -> Option<bool> {
        self.bits(1).map(|bit| bit == 1)
    }

    /// Takes ones up to the next zero, which is taken too, or up to `most` ones; how many.
    #[inline]
    pub(super) fn ones(&mut self, most: u32) -> Option<u32> {
        if self.ahead_count <= most {
            self.refill();
        }
        let ones = self.ahead.leading_ones().min(most);
        let taken = ones + u32::from(ones < most);
        self.ahead_count = self.ahead_count.checked_sub(taken)?;
        self.ahead <<= taken;
        Some(ones)
    }

    /// The next `count` bits (≤ 64) in the low end.
    #[inline]
    pub(super) fn bits(&mut self, count: u32) -> Option<u64> {
        if count > 56 {
            return self.many_bits(count);
        }
        if self.ahead_count < count {
            self.refill();
        }
        self.ahead_count = self.ahead_count.checked_sub(count)?;
        // In two steps: a shift by 64 is none.
        let value = self.ahead >> 1 >> (63 - count);
        self.ahead <<= count;
        Some(value)
    }

    #[cold]
    fn many_bits(&mut self, count: u32) -> Option<u64> {
        let high = self.bits(count - 32)?;
        Some((high << 32) | self.bits(32)?)
    }

    #[inline]
    fn refill(&mut self) {
        if let Some(next) = self.bytes.first_chunk::<8>() {
            // As many whole bytes as there is room for; what is read beyond them is read again.
            self.ahead |= u64::from_be_bytes(*next) >> self.ahead_count;
            let whole = (63 - self.ahead_count) / 8;
            self.ahead_count += whole * 8;
            self.bytes = self.bytes.get(whole as usize..).unwrap_or_default();
            return;
        }
        self.refill_at_end();
    }

    #[cold]
    fn refill_at_end(&mut self) {
        while self.ahead_count <= 56
            && let Some((&byte, rest)) = self.bytes.split_first()
        {
            self.ahead |= u64::from(byte) << (56 - self.ahead_count);
            self.ahead_count += 8;
            self.bytes = rest;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn bits_come_back_as_pushed(pieces in prop::collection::vec((any::<u64>(), 0u32..=64), 0..200)) {
            let (mut bytes, mut free) = (Vec::new(), 0);
            for &(value, count) in &pieces {
                push_bits(&mut bytes, &mut free, value, count);
            }
            let total: u32 = pieces.iter().map(|piece| piece.1).sum();
            prop_assert_eq!(bytes.len() as u32, total.div_ceil(8));
            let mut reader = BitReader::new(&bytes);
            for &(value, count) in &pieces {
                let mut ones = BitReader { ..reader };
                let wanted = value.checked_shl(64 - count).unwrap_or(0).leading_ones();
                if count > 0 && wanted < count && wanted < 40 {
                    prop_assert_eq!(ones.ones(40), Some(wanted));
                    prop_assert_eq!(ones.bits(count - wanted - 1), Some(value & ((1 << (count - wanted - 1)) - 1)));
                }
                let mask = if count == 64 { u64::MAX } else { (1 << count) - 1 };
                prop_assert_eq!(reader.bits(count), Some(value & mask));
            }
            prop_assert_eq!(reader.bits(8), None);
        }
    }
}
