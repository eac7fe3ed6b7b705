//! Samples of one series packed into bits: delta-of-delta times and XORed values.
//!
//! After "Gorilla: a fast, scalable, in-memory time series database" (Pelkonen et al., VLDB 2015), with
//! wider steps for times, so that a jitter of some milliseconds costs one byte, and with the first time
//! kept outside of the bits. All arithmetic wraps, so that every `i64` time and every `f64` bit pattern
//! comes back as it went in.
//!
//! A chunk with start timestamps has behind each value the difference to the start before, coded as times are: a bit
//! while it stays the same. In front of its bits stands the newest one, so that a chunk without them is no larger.

use latewood_model::{NO_START, Sample, TimeRange, TimestampMs};

use super::bits::push_bits;
use super::sealed_chunk::SealedChunk;
use super::started::StartedSamples;
use super::xor_reader::XorReader;

/// Bytes in front of the bits of a chunk with start timestamps.
pub(super) const START_BYTES: usize = size_of::<TimestampMs>();

/// Widths in bits of a delta-of-delta's classes; class `n` is announced by `n` ones and a zero (the last
/// one by ones only), class 0 is the delta-of-delta 0.
pub(super) const TIME_WIDTHS: [u32; 6] = [0, 6, 10, 17, 32, 64];

/// Bits that announce a new window of significant value bits: `11`, leading zeros, length.
const NEW_WINDOW_BITS: u32 = 2 + 5 + 6;

/// A chunk that is still appended to, in ascending order of time.
#[derive(Debug, Default)]
pub(super) struct OpenChunk {
    bytes: Vec<u8>,
    first: TimestampMs,
    last: TimestampMs,
    delta: i64,
    value: u64,
    count: u32,
    /// Unused bits in the last byte.
    free: u8,
    leading: u8,
    /// Length of the window of significant bits; 0 when there is none yet.
    significant: u8,
    has_starts: bool,
}

impl OpenChunk {
    /// An empty chunk that takes start timestamps.
    pub(super) fn with_starts() -> Self {
        Self { bytes: NO_START.to_le_bytes().into(), has_starts: true, ..Self::default() }
    }

    /// Whether it takes start timestamps.
    pub(super) fn has_starts(&self) -> bool {
        self.has_starts
    }

    /// The start timestamp of the newest sample.
    pub(super) fn last_start(&self) -> TimestampMs {
        let first = self.bytes.first_chunk::<START_BYTES>().filter(|_| self.has_starts);
        first.map_or(NO_START, |bytes| TimestampMs::from_le_bytes(*bytes))
    }

    /// How many samples.
    pub(super) fn count(&self) -> u32 {
        self.count
    }

    /// Bytes of packed samples.
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Bytes allocated.
    pub(super) fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// Reads from each line of its memory: see [`super::series::Samples::touch`].
    pub(super) fn touch(&self) -> usize {
        self.bytes.iter().step_by(64).map(|byte| usize::from(*byte)).sum()
    }

    /// The newest sample.
    pub(super) fn last(&self) -> Option<Sample> {
        (self.count > 0).then_some(Sample { timestamp: self.last, value: f64::from_bits(self.value) })
    }

    /// The span of its times.
    pub(super) fn span(&self) -> TimeRange {
        if self.count == 0 { TimeRange::EMPTY } else { TimeRange::new(self.first, self.last) }
    }

    /// Appends a sample that is newer than the last one; a start timestamp only where they are taken.
    pub(super) fn push(&mut self, sample: Sample, start: TimestampMs) {
        debug_assert!(self.count == 0 || sample.timestamp > self.last);
        debug_assert!(self.has_starts || start == NO_START);
        self.grow();
        if self.count == 0 {
            self.first = sample.timestamp;
        } else {
            self.push_time(sample.timestamp);
        }
        self.push_value(sample.value.to_bits());
        if self.has_starts {
            self.push_start(start);
        }
        self.last = sample.timestamp;
        self.count += 1;
    }

    /// Makes room for the longest sample in steps of a quarter: most series stop growing soon, and a
    /// vector's doubling would waste as much as it holds.
    fn grow(&mut self) {
        let longest = if self.has_starts { 28 } else { 19 };
        let (len, capacity) = (self.bytes.len(), self.bytes.capacity());
        if capacity - len < longest {
            let wanted = (len + (len / 4).max(longest)).next_multiple_of(16);
            self.bytes.reserve_exact(wanted - len);
        }
    }

    fn push_time(&mut self, at: TimestampMs) {
        let delta = at.wrapping_sub(self.last);
        let change = delta.wrapping_sub(self.delta);
        self.delta = delta;
        self.push_change(change);
    }

    fn push_start(&mut self, start: TimestampMs) {
        self.push_change(start.wrapping_sub(self.last_start()));
        if let Some(newest) = self.bytes.first_chunk_mut::<START_BYTES>() {
            *newest = start.to_le_bytes();
        }
    }

    /// Appends a number that is mostly 0, in as many bits as its class has.
    fn push_change(&mut self, change: i64) {
        let class = if change == 0 {
            0
        } else {
            // Bits that a two's complement number needs, its sign included.
            let needed = 65 - (change ^ (change >> 63)).leading_zeros();
            (1..TIME_WIDTHS.len() - 1)
                .find(|&class| TIME_WIDTHS[class] >= needed)
                .unwrap_or(TIME_WIDTHS.len() - 1)
        };
        let (prefix, length) = match class {
            5 => (0b1_1111, 5),
            _ => ((1_u64 << (class + 1)) - 2, class as u32 + 1),
        };
        let width = TIME_WIDTHS[class];
        if width + length <= 64 {
            let low = if width == 0 { 0 } else { (change as u64) & (u64::MAX >> (64 - width)) };
            self.bits((prefix << width) | low, width + length);
        } else {
            self.bits(prefix, length);
            self.bits(change as u64, width);
        }
    }

    fn push_value(&mut self, value: u64) {
        let change = value ^ self.value;
        self.value = value;
        if change == 0 {
            self.bits(0, 1);
            return;
        }
        let leading = change.leading_zeros().min(31);
        let trailing = change.trailing_zeros();
        let needed = 64 - leading - trailing;
        let (window, window_leading) = (u32::from(self.significant), u32::from(self.leading));
        let fits = window > 0 && leading >= window_leading && trailing >= 64 - window_leading - window;
        if fits && window + 2 <= needed + NEW_WINDOW_BITS {
            self.bits(0b10, 2);
            self.bits(change >> (64 - window_leading - window), window);
        } else {
            (self.leading, self.significant) = (leading as u8, needed as u8);
            let header = (0b11 << 11) | (u64::from(leading) << 6) | u64::from(needed - 1);
            self.bits(header, NEW_WINDOW_BITS);
            self.bits(change >> trailing, needed);
        }
    }

    fn bits(&mut self, value: u64, count: u32) {
        push_bits(&mut self.bytes, &mut self.free, value, count);
    }

    /// Adds the samples within a range with their start timestamps, oldest first.
    pub(super) fn read(&self, range: TimeRange, out: &mut StartedSamples) {
        XorReader::new(&self.bytes, self.first, self.count, self.has_starts).read(range, out);
    }

    /// A chunk of the same samples that no longer changes.
    pub(super) fn seal(&self) -> SealedChunk {
        let mut samples = StartedSamples::with_room(self.count as usize);
        self.read(TimeRange::ALL, &mut samples);
        SealedChunk::new(&self.bytes, self.span(), self.has_starts, &samples)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::started::StartedSamples;
    use super::*;

    fn packed(samples: &[Sample], start: impl Fn(usize) -> TimestampMs) -> OpenChunk {
        let starts: Vec<TimestampMs> = (0..samples.len()).map(start).collect();
        let started = starts.iter().any(|start| *start != NO_START);
        let mut open = if started { OpenChunk::with_starts() } else { OpenChunk::default() };
        samples.iter().zip(starts).for_each(|(&sample, start)| open.push(sample, start));
        open
    }

    /// As they are read from the open chunk and from the sealed one, which must be the same.
    fn unpacked(samples: &[Sample], start: impl Fn(usize) -> TimestampMs) -> Vec<(Sample, TimestampMs)> {
        let chunk = packed(samples, start);
        let (mut open, mut sealed) = (StartedSamples::default(), StartedSamples::default());
        chunk.read(TimeRange::ALL, &mut open);
        chunk.seal().read(TimeRange::ALL, &mut sealed);
        let [open, sealed] = [open, sealed].map(|samples| samples.started().collect::<Vec<_>>());
        assert_eq!(open, sealed);
        open
    }

    #[test]
    fn extreme_times_and_values_come_back_bit_for_bit() {
        let times = [i64::MIN, i64::MIN + 1, -1, 0, 15_000, 30_007, 45_001, i64::MAX - 1, i64::MAX];
        let values = [
            0.0,
            -0.0,
            f64::NAN,
            latewood_model::stale_nan(),
            f64::from_bits(0xfff8_dead_beef_0001),
            f64::INFINITY,
            f64::MIN_POSITIVE,
            f64::MAX,
            f64::from_bits(1),
        ];
        let samples: Vec<_> =
            times.into_iter().zip(values).map(|(timestamp, value)| Sample { timestamp, value }).collect();
        let expected: Vec<_> = samples.iter().map(|&sample| (sample, NO_START)).collect();
        assert_eq!(unpacked(&samples, |_| NO_START), expected);
    }

    #[test]
    fn chunks_are_no_larger_for_what_most_do_not_have() {
        assert_eq!((size_of::<OpenChunk>(), size_of::<SealedChunk>()), (64, 40));
    }

    #[test]
    fn an_even_counter_packs_into_two_bytes_a_sample() {
        let sample = |n: i64| Sample {
            timestamp: 1_700_000_000_000 + n * 15_000 + (n * 7919 % 5),
            value: (n * 37) as f64,
        };
        let samples: Vec<_> = (0..480).map(sample).collect();
        let chunk = packed(&samples, |_| NO_START);
        assert!(chunk.len() < 480 * 3, "{}", chunk.len());
        let started = packed(&samples, |_| 1_699_999_999_999);
        assert!(started.len() - chunk.len() <= 480 / 8 + 8 + 9, "{}", started.len());
        let sealed = chunk.seal().heap_size();
        assert!(sealed < chunk.len() * 3 / 4, "{sealed} of {}", chunk.len());
    }

    proptest! {
        #[test]
        fn any_samples_come_back(
            times in prop::collection::btree_set(prop_oneof![any::<i64>(), -1000i64..1000, (0i64..100).prop_map(|n| n * 15_000)], 0..100),
            seed in prop::collection::vec(prop_oneof![any::<u64>(), (0u64..50).prop_map(|n| (n as f64).to_bits())], 100),
            starts in prop::collection::vec(prop_oneof![any::<i64>(), 0i64..3], 0..100),
        ) {
            let samples: Vec<_> = times.into_iter().zip(seed)
                .map(|(timestamp, bits)| Sample { timestamp, value: f64::from_bits(bits) }).collect();
            let expected = |start: &dyn Fn(usize) -> TimestampMs| -> Vec<_> {
                samples.iter().copied().enumerate().map(|(at, sample)| (sample, start(at))).collect()
            };
            prop_assert_eq!(unpacked(&samples, |_| NO_START), expected(&|_| NO_START));
            let starts = |at: usize| starts.get(at).copied().unwrap_or(7);
            prop_assert_eq!(unpacked(&samples, starts), expected(&starts));
        }
    }
}
