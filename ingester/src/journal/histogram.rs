//! One native histogram in bytes: `docs/format/entry.md`.

use std::sync::Arc;

use latewood_model::NativeHistogram;
use latewood_model::histogram::{BucketCount, Buckets, Histogram, ResetHint};

use super::varint::{Reader, push, unzigzag, zigzag};

/// Flag: the counts are floats.
const FLOAT: u8 = 1;
/// Flag: a stale marker, and nothing follows.
const STALE: u8 = 2;
/// Where the two bits of the reset hint stand among the flags.
const HINT_SHIFT: u32 = 2;

/// A count in bytes.
trait Stored: BucketCount {
    /// Appends a count that follows on `before`.
    fn write(self, before: Self, out: &mut Vec<u8>);
    /// Reads what [`Stored::write`] wrote.
    fn read(before: Self, reader: &mut Reader<'_>) -> Option<Self>;
}

impl Stored for u64 {
    fn write(self, before: Self, out: &mut Vec<u8>) {
        push(out, zigzag(self.wrapping_sub(before) as i64));
    }

    fn read(before: Self, reader: &mut Reader<'_>) -> Option<Self> {
        Some(before.wrapping_add(unzigzag(reader.number()?) as Self))
    }
}

impl Stored for f64 {
    fn write(self, _: Self, out: &mut Vec<u8>) {
        put_double(out, self);
    }

    fn read(_: Self, reader: &mut Reader<'_>) -> Option<Self> {
        double(reader)
    }
}

/// Appends a histogram.
pub(crate) fn encode_histogram(histogram: &NativeHistogram, out: &mut Vec<u8>) {
    match histogram {
        stale if *stale == NativeHistogram::stale() => out.push(STALE),
        NativeHistogram::Integer(histogram) => encode(histogram, 0, out),
        NativeHistogram::Float(histogram) => encode(histogram, FLOAT, out),
    }
}

fn encode<C: Stored>(histogram: &Histogram<C>, kind: u8, out: &mut Vec<u8>) {
    out.push(kind | (histogram.reset_hint as u8) << HINT_SHIFT);
    push(out, zigzag(histogram.schema.into()));
    put_double(out, histogram.zero_threshold);
    put_double(out, histogram.sum);
    push(out, histogram.custom_bounds.len() as u64);
    histogram.custom_bounds.iter().for_each(|&bound| put_double(out, bound));
    let sides = [&histogram.positive, &histogram.negative];
    sides.iter().for_each(|side| put_indexes(side.layout(), out));
    histogram.count.write(C::ZERO, out);
    histogram.zero_count.write(C::ZERO, out);
    for side in sides {
        let mut before = C::ZERO;
        for &count in side.counts() {
            count.write(before, out);
            before = count;
        }
    }
}

fn put_double(out: &mut Vec<u8>, value: f64) {
    out.extend_from_slice(&value.to_bits().to_le_bytes());
}

/// Ascending indexes as runs: the gap before each, the first from 0, and its length.
fn put_indexes(indexes: &[i32], out: &mut Vec<u8>) {
    let runs = || indexes.chunk_by(|a, b| i64::from(*a) + 1 == i64::from(*b));
    push(out, runs().count() as u64);
    let mut next = 0;
    for run in runs() {
        let first = run.first().map_or(0, |&first| i64::from(first));
        push(out, zigzag(first - next));
        push(out, run.len() as u64);
        next = first + run.len() as i64;
    }
}

/// Reads what [`encode_histogram`] wrote; `None` for other bytes. Never asks for more memory than a small
/// multiple of the bytes that are there.
pub(crate) fn decode_histogram(reader: &mut Reader<'_>) -> Option<NativeHistogram> {
    let flags = reader.byte()?;
    if flags == STALE {
        return Some(NativeHistogram::stale());
    }
    if flags & STALE != 0 || flags >> HINT_SHIFT > 3 {
        return None;
    }
    let hint = ResetHint::from_wire(i32::from(flags >> HINT_SHIFT));
    match flags & FLOAT {
        0 => Some(decode::<u64>(hint, reader)?.into()),
        _ => Some(decode::<f64>(hint, reader)?.into()),
    }
}

fn decode<C: Stored>(reset_hint: ResetHint, reader: &mut Reader<'_>) -> Option<Histogram<C>> {
    let schema = i32::try_from(unzigzag(reader.number()?)).ok()?;
    let (zero_threshold, sum) = (double(reader)?, double(reader)?);
    let bounds = reader.count(8)?;
    let custom_bounds: Option<Arc<[f64]>> = (0..bounds).map(|_| double(reader)).collect();
    let custom_bounds = custom_bounds?;
    let (positive, negative) = (indexes(reader)?, indexes(reader)?);
    let (count, zero_count) = (C::read(C::ZERO, reader)?, C::read(C::ZERO, reader)?);
    let (positive, negative) = (side(&positive, reader)?, side(&negative, reader)?);
    Some(Histogram {
        schema,
        zero_threshold,
        custom_bounds,
        reset_hint,
        sum,
        count,
        zero_count,
        positive,
        negative,
    })
}

fn double(reader: &mut Reader<'_>) -> Option<f64> {
    let bytes = reader.take(8)?.first_chunk()?;
    Some(f64::from_bits(u64::from_le_bytes(*bytes)))
}

fn indexes(reader: &mut Reader<'_>) -> Option<Arc<[i32]>> {
    let (runs, mut next) = (reader.count(2)?, 0_i64);
    let mut indexes = Vec::new();
    for run in 0..runs {
        let gap = unzigzag(reader.number()?);
        if run > 0 && gap <= 0 {
            return None;
        }
        // Each bucket has at least one byte of count behind all indexes.
        let length =
            reader.count(1).filter(|length| (1..=reader.0.len()).contains(&(length + indexes.len())))?;
        next = next.checked_add(gap)?;
        for _ in 0..length {
            indexes.push(i32::try_from(next).ok()?);
            next += 1;
        }
    }
    Some(indexes.into())
}

fn side<C: Stored>(indexes: &Arc<[i32]>, reader: &mut Reader<'_>) -> Option<Buckets<C>> {
    let mut before = C::ZERO;
    let mut counts = Vec::with_capacity(indexes.len());
    for _ in 0..indexes.len() {
        before = C::read(before, reader)?;
        counts.push(before);
    }
    Some(Buckets::from_layout(indexes, counts))
}

#[cfg(test)]
pub(crate) mod tests {
    use latewood_model::histogram::CUSTOM_BUCKETS;
    use proptest::prelude::*;

    use super::*;

    fn buckets<C: BucketCount>(count: impl Strategy<Value = C>) -> impl Strategy<Value = Buckets<C>> {
        let index = prop_oneof![8 => -5..20_i32, 1 => any::<i32>()];
        prop::collection::btree_map(index, count, 0..12).prop_map(Buckets::from_pairs)
    }

    fn histogram<C: BucketCount>(count: fn() -> BoxedStrategy<C>) -> impl Strategy<Value = Histogram<C>> {
        let schema = prop_oneof![3 => Just(2), 1 => Just(CUSTOM_BUCKETS)];
        let fields = (schema, prop_oneof![Just(0.0), Just(1e-128)], any::<u64>(), 0..4_i32);
        (fields, count(), count(), buckets(count()), buckets(count())).prop_map(
            |((schema, zero_threshold, sum, hint), count, zero_count, positive, negative)| Histogram {
                schema,
                zero_threshold,
                custom_bounds: if schema == CUSTOM_BUCKETS { Arc::from([0.1, 2.5]) } else { Arc::default() },
                reset_hint: ResetHint::from_wire(hint),
                sum: f64::from_bits(sum),
                count,
                zero_count,
                positive,
                negative,
            },
        )
    }

    /// Histograms of every sort, also of such that nobody would accept.
    pub(crate) fn native() -> impl Strategy<Value = NativeHistogram> {
        let integers = || prop_oneof![0..50_u64, any::<u64>()].boxed();
        let floats =
            || prop_oneof![(0..50_i32).prop_map(f64::from), any::<u64>().prop_map(f64::from_bits)].boxed();
        prop_oneof![
            3 => histogram::<u64>(integers).prop_map(NativeHistogram::from),
            2 => histogram::<f64>(floats).prop_map(NativeHistogram::from),
            1 => Just(NativeHistogram::stale()),
        ]
    }

    proptest! {
        #[test]
        fn histograms_come_back_bit_for_bit(histogram in native(), cut: prop::sample::Index) {
            let mut bytes = Vec::new();
            encode_histogram(&histogram, &mut bytes);
            let mut reader = Reader(&bytes);
            prop_assert_eq!(decode_histogram(&mut reader), Some(histogram));
            prop_assert!(reader.0.is_empty());
            prop_assert_eq!(decode_histogram(&mut Reader(&bytes[..cut.index(bytes.len())])), None);
        }

        #[test]
        fn any_bytes_are_refused_or_read(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut again = Vec::new();
            if let Some(histogram) = decode_histogram(&mut Reader(&bytes)) {
                encode_histogram(&histogram, &mut again);
                prop_assert_eq!(decode_histogram(&mut Reader(&again)), Some(histogram));
            }
        }
    }

    #[test]
    fn lengths_that_lie_are_refused() {
        let mut bytes = vec![0, 0];
        bytes.extend([0; 16]);
        // No bounds; one run of 2^28 buckets.
        bytes.extend([0, 1, 0, 0x80, 0x80, 0x80, 0x80, 0x01, 0]);
        assert_eq!(decode_histogram(&mut Reader(&bytes)), None);
    }
}
