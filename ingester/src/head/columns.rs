//! Samples of one series packed as two columns of small numbers: times, and values that are decimals.
//!
//! Most values are whole numbers or have a few decimal places. As multiples of their last place they are integers
//! whose differences need few bits, all of them the same number of bits: they unpack several times quicker than
//! XORed doubles do and are mostly smaller. After the delta encodings of "Decoding billions of integers per second
//! through vectorization" (Lemire and Boytsov, 2015) and the decimals of "ALP: adaptive lossless floating-point
//! compression" (Afroozeh et al., SIGMOD 2023). What does not come back bit for bit is not packed like this.
//!
//! ```text
//! ┌────────┬─────────────────────┬──────────────────────┬─────────┐
//! │ places │ times: first … bits │ values: first … bits │ newest  │   newest: the last value, f64. 8 bytes, so that as
//! └────────┴─────────────────────┴──────────────────────┴─────────┘   many can be read at each number
//! column:  first i64 │ least difference i64 │ width u8 │ (count - 1) × width bits: difference - least, lowest first
//! ```
//!
//! Numbers are little-endian. In memory only.

use std::ops::Range;

use latewood_model::TimestampMs;

/// The most decimal places of values.
const MAX_PLACES: u8 = 6;

/// What values with so many decimal places are multiplied by to be integers.
const SCALES: [f64; MAX_PLACES as usize + 1] = [1.0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6];

/// Whole numbers up to here, and all less than them, are exact as doubles.
const MAX_EXACT: u64 = 1 << 53;

/// A number of this many bits lies within 8 bytes wherever its first bit is.
const MAX_WIDTH: u32 = 57;

/// Bytes of a column in front of its bits.
const COLUMN_HEAD: usize = 17;

/// Packs samples of ascending times. `None` if a value is no decimal of few places, or numbers lie too far apart.
pub(super) fn pack(times: &[TimestampMs], values: &[f64]) -> Option<Vec<u8>> {
    let (places, numbers) = decimals(values)?;
    let mut bytes = vec![places];
    push_column(&mut bytes, times)?;
    push_column(&mut bytes, &numbers)?;
    bytes.extend(values.last()?.to_le_bytes());
    Some(bytes)
}

/// The column of `count` times as it is packed: equal times are equal bytes.
#[inline]
pub(super) fn packed_times(bytes: &[u8], count: usize) -> &[u8] {
    let width = bytes.get(COLUMN_HEAD).map_or(0, |width| u32::from(*width));
    bytes.get(1..1 + COLUMN_HEAD + column_bytes(count, width)).unwrap_or_default()
}

/// Adds `count` times.
pub(super) fn unpack_times(bytes: &[u8], count: usize, times: &mut Vec<TimestampMs>) {
    let column = bytes.get(1..).unwrap_or_default();
    read_column(column, 0..count, times, |number| number);
}

/// Adds those values of `count` whose places are in a range.
pub(super) fn unpack_values(bytes: &[u8], count: usize, range: Range<usize>, values: &mut Vec<f64>) {
    let Some((&places, _)) = bytes.split_first() else { return };
    let column = bytes.get(1 + packed_times(bytes, count).len()..).unwrap_or_default();
    // Dividing by one would change nothing, but take its time.
    match SCALES.get(usize::from(places)) {
        None | Some(1.0) => read_column(column, range, values, |number| number as f64),
        Some(scale) => read_column(column, range, values, |number| number as f64 / scale),
    };
}

/// The last value.
#[inline]
pub(super) fn newest(bytes: &[u8]) -> Option<f64> {
    bytes.last_chunk().copied().map(f64::from_le_bytes)
}

/// The fewest decimal places with which all values are integers, and these.
fn decimals(values: &[f64]) -> Option<(u8, Vec<i64>)> {
    let mut places = 0;
    for &value in values {
        while scaled(value, places).is_none() {
            places += 1;
            SCALES.get(usize::from(places))?;
        }
    }
    let numbers: Option<Vec<i64>> = values.iter().map(|&value| scaled(value, places)).collect();
    Some((places, numbers?))
}

/// A value as an integer of so many decimal places, if it comes back from it bit for bit.
fn scaled(value: f64, places: u8) -> Option<i64> {
    let scale = SCALES.get(usize::from(places))?;
    // What is behind the last place is cut off, so half of one more; whole numbers have nothing there.
    let half = if places == 0 { 0.0 } else { 0.5_f64.copysign(value) };
    let number = (value * scale + half) as i64;
    let is_same = number.unsigned_abs() <= MAX_EXACT && (number as f64 / scale).to_bits() == value.to_bits();
    is_same.then_some(number)
}

fn push_column(bytes: &mut Vec<u8>, numbers: &[i64]) -> Option<()> {
    let differences = || numbers.windows(2).map(|pair| pair[1].wrapping_sub(pair[0]));
    let (least, most) = (differences().min().unwrap_or(0), differences().max().unwrap_or(0));
    let width = 64 - most.wrapping_sub(least).cast_unsigned().leading_zeros();
    if width > MAX_WIDTH {
        return None;
    }
    bytes.extend(numbers.first()?.to_le_bytes());
    bytes.extend(least.to_le_bytes());
    bytes.push(width as u8);
    let start = bytes.len();
    bytes.resize(start + column_bytes(numbers.len(), width), 0);
    let (mut ahead, mut ahead_count, mut at) = (0_u128, 0, start);
    for difference in differences() {
        ahead |= u128::from(difference.wrapping_sub(least).cast_unsigned()) << ahead_count;
        ahead_count += width;
        while ahead_count >= 8 {
            *bytes.get_mut(at)? = ahead as u8;
            (ahead, ahead_count, at) = (ahead >> 8, ahead_count - 8, at + 1);
        }
    }
    if ahead_count > 0 {
        *bytes.get_mut(at)? = ahead as u8;
    }
    Some(())
}

fn column_bytes(count: usize, width: u32) -> usize {
    (count.saturating_sub(1) * width as usize).div_ceil(8)
}

/// Adds the numbers at a range of places of a column, converted, to `out`.
#[inline]
fn read_column<T>(
    bytes: &[u8],
    places: Range<usize>,
    out: &mut Vec<T>,
    convert: impl Fn(i64) -> T,
) -> Option<()> {
    let (first, rest) = bytes.split_first_chunk()?;
    let (least, rest) = rest.split_first_chunk()?;
    let (&width, rest) = rest.split_first()?;
    let (first, least) = (i64::from_le_bytes(*first), i64::from_le_bytes(*least));
    if width == 0 {
        let even =
            (places.start as i64..places.end as i64).map(|n| first.wrapping_add(n.wrapping_mul(least)));
        out.extend(even.map(convert));
        return Some(());
    }
    let width = u32::from(width).min(MAX_WIDTH);
    let mask = (1 << width) - 1;
    let (mut number, mut at) = (first, 0);
    let mut next = || {
        let next = number;
        let bytes = rest.get(at / 8..).and_then(<[u8]>::first_chunk);
        // There are none behind the last number if nothing follows.
        let word = bytes.map_or(0, |bytes| u64::from_le_bytes(*bytes)) >> (at % 8);
        number = next.wrapping_add(least).wrapping_add((word & mask).cast_signed());
        at += width as usize;
        next
    };
    for _ in 0..places.start {
        next();
    }
    // Of a range, so that room is looked for once and not for each.
    out.extend(places.map(|_| convert(next())));
    Some(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn unpacked(times: &[i64], values: &[f64]) -> Option<(Vec<i64>, Vec<u64>)> {
        let bytes = pack(times, values)?;
        let (count, mut back_times, mut back) = (times.len(), vec![1], Vec::new());
        unpack_times(&bytes, count, &mut back_times);
        assert_eq!(back_times.remove(0), 1);
        unpack_values(&bytes, count, 0..count, &mut back);
        assert_eq!(newest(&bytes).map(f64::to_bits), back.last().map(|value| value.to_bits()));
        let mut middle = Vec::new();
        unpack_values(&bytes, count, count / 3..count / 2, &mut middle);
        assert_eq!(middle, back[count / 3..count / 2]);
        Some((back_times, back.iter().map(|value| value.to_bits()).collect()))
    }

    #[test]
    fn an_even_counter_takes_as_many_bits_as_its_increases_differ_by() {
        let (times, values): (Vec<i64>, Vec<f64>) =
            (0..120).map(|n| (1_700_000_000_000 + n * 15_000, (n * 37 + n * 7919 % 5) as f64)).unzip();
        let bytes = pack(&times, &values).unwrap();
        assert_eq!(bytes.len(), 1 + 2 * COLUMN_HEAD + (119_usize * 3).div_ceil(8) + 8);
    }

    #[test]
    fn what_is_no_decimal_is_not_packed() {
        for value in [-0.0, f64::NAN, f64::INFINITY, 1e17, 1.0 / 3.0, 1e-7, latewood_model::stale_nan()] {
            assert!(pack(&[1, 2], &[1.0, value]).is_none(), "{value}");
        }
        assert!(pack(&[i64::MIN, 0, i64::MAX], &[1.0; 3]).is_none());
    }

    proptest! {
        #[test]
        fn decimals_come_back_bit_for_bit(
            times in prop::collection::btree_set(prop_oneof![-1_000_000i64..1_000_000, (0i64..100).prop_map(|n| n * 15_000)], 1..200),
            numbers in prop::collection::vec(prop_oneof![5 => -5_000i64..5_000, 1 => -(1i64 << 50)..=1 << 50], 200),
            places in 0_usize..=6,
        ) {
            let times: Vec<i64> = times.into_iter().collect();
            let values: Vec<f64> = numbers.iter().take(times.len()).map(|&number| number as f64 / SCALES[places]).collect();
            let expected = (times.clone(), values.iter().map(|value| value.to_bits()).collect());
            prop_assert_eq!(unpacked(&times, &values), Some(expected));
        }

        #[test]
        fn any_doubles_come_back_or_are_not_packed(bits in prop::collection::vec(any::<u64>(), 1..20)) {
            let values: Vec<f64> = bits.iter().copied().map(f64::from_bits).collect();
            let times: Vec<i64> = (0..values.len() as i64).collect();
            if let Some(back) = unpacked(&times, &values) {
                prop_assert_eq!(back, (times, bits));
            }
        }
    }
}
