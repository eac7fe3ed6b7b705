//! Histograms of one layout of buckets, without a counter reset between them.

use latewood_model::histogram::{HistogramParts, PartCounts, ResetHint, Span, is_custom};
use latewood_model::{HistogramSample, NativeHistogram, TimestampMs, stale_nan};

use super::super::bit_writer::BitWriter;
use super::super::xor_writer::XorWriter;
use super::Chunk;

/// A chunk of histograms that is being written.
pub(super) struct Packer {
    layout: Layout,
    samples: u16,
    first: TimestampMs,
    out: BitWriter,
    at: Dod,
    numbers: Numbers,
    sum: XorWriter,
    newest: NativeHistogram,
}

/// What all histograms of a chunk have in common.
#[derive(PartialEq)]
struct Layout {
    schema: i32,
    zero_threshold: u64,
    positive: Vec<Span>,
    negative: Vec<Span>,
    custom_bounds: Vec<f64>,
    is_float: bool,
    is_gauge: bool,
}

/// A number, and how much it changed last.
#[derive(Clone, Copy)]
struct Dod {
    value: i64,
    delta: i64,
}

/// The counts of the newest histogram; those of positive buckets before those of negative ones.
enum Numbers {
    Integer { count: Dod, zero_count: Dod, buckets: Vec<Dod> },
    Float { count: XorWriter, zero_count: XorWriter, buckets: Vec<XorWriter> },
}

impl Packer {
    /// Begins with this one.
    pub(super) fn new(sample: &HistogramSample) -> Self {
        let (parts, mut out) = (HistogramParts::from(&sample.histogram), BitWriter::default());
        let layout = Layout::of(&parts);
        layout.write(&mut out);
        let at = Dod { value: sample.timestamp, delta: 0 };
        out.signed_varbit(sample.timestamp);
        let (numbers, sum) = Numbers::first(&mut out, &parts);
        Self {
            layout,
            samples: 1,
            first: sample.timestamp,
            out,
            at,
            numbers,
            sum,
            newest: sample.histogram.clone(),
        }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.samples.into()
    }

    /// Adds one, unless it needs a chunk of its own.
    pub(super) fn add(&mut self, sample: &HistogramSample) -> bool {
        let HistogramSample { histogram, timestamp, .. } = sample;
        if self.newest.is_stale() {
            return false;
        }
        if histogram.is_stale() {
            self.at.step(&mut self.out, *timestamp);
            self.numbers.step_to_none(&mut self.out);
            self.sum.step(&mut self.out, stale_nan());
        } else {
            let parts = HistogramParts::from(histogram);
            if self.layout != Layout::of(&parts) || is_reset(histogram, &self.newest) {
                return false;
            }
            self.at.step(&mut self.out, *timestamp);
            self.numbers.step_counts(&mut self.out, &parts.counts);
            self.sum.step(&mut self.out, parts.sum);
            self.numbers.step_buckets(&mut self.out, &parts.counts);
        }
        self.samples += 1;
        self.newest = histogram.clone();
        true
    }

    /// The chunk.
    pub(super) fn finish(self) -> Chunk {
        let [high, low] = self.samples.to_be_bytes();
        // Nothing is said of a reset before the first one: what comes before need not be what the reader has.
        let flags = if self.layout.is_gauge { 0b1100_0000 } else { 0 };
        let data = [&[high, low, flags], self.out.into_bytes().as_slice()].concat();
        let encoding = if self.layout.is_float { 3 } else { 2 };
        Chunk { encoding, first: self.first, last: self.at.value, data }
    }
}

/// Whether a reader must not be told that there was no reset between two. Gauges have none.
fn is_reset(next: &NativeHistogram, before: &NativeHistogram) -> bool {
    match ResetHint::from_wire(HistogramParts::from(next).reset_hint) {
        ResetHint::Gauge | ResetHint::NoReset => false,
        ResetHint::Reset => true,
        ResetHint::Unknown => next.to_float().is_reset_after(&before.to_float()),
    }
}

impl Layout {
    fn of(parts: &HistogramParts<'_>) -> Self {
        Self {
            schema: parts.schema,
            zero_threshold: parts.zero_threshold.to_bits(),
            positive: parts.positive_spans.to_vec(),
            negative: parts.negative_spans.to_vec(),
            custom_bounds: parts.custom_bounds.to_vec(),
            is_float: matches!(parts.counts, PartCounts::Float { .. }),
            is_gauge: parts.reset_hint == ResetHint::Gauge.to_wire(),
        }
    }

    fn write(&self, out: &mut BitWriter) {
        zero_threshold(out, f64::from_bits(self.zero_threshold));
        out.signed_varbit(self.schema.into());
        for side in [&self.positive, &self.negative] {
            out.varbit(side.len() as u64);
            for span in side {
                out.varbit(span.length.into());
                out.signed_varbit(span.offset.into());
            }
        }
        if is_custom(self.schema) {
            out.varbit(self.custom_bounds.len() as u64);
            self.custom_bounds.iter().for_each(|bound| custom_bound(out, *bound));
        }
    }
}

/// One byte for 0 and for powers of two, else 255 and the number.
fn zero_threshold(out: &mut BitWriter, threshold: f64) {
    let bits = threshold.to_bits();
    // 2^(byte − 244), which is a normal number.
    let byte = (bits >> 52).wrapping_sub(1023 - 244);
    if bits == 0 {
        out.put(0, 8);
    } else if bits << 12 == 0 && (1..=254).contains(&byte) {
        out.put(byte, 8);
    } else {
        out.put(255, 8);
        out.float(threshold);
    }
}

/// Thousandths plus one where they are whole and few, else 0 and the number.
fn custom_bound(out: &mut BitWriter, bound: f64) {
    const MOST: f64 = 33_554_430.0;
    let thousandths = (bound * 1000.0).round();
    let is_whole = (0.0..=MOST).contains(&thousandths) && (thousandths / 1000.0).to_bits() == bound.to_bits();
    if is_whole {
        out.varbit(thousandths as u64 + 1);
    } else {
        out.varbit(0);
        out.float(bound);
    }
}

impl Dod {
    fn step(&mut self, out: &mut BitWriter, value: i64) {
        let delta = value.wrapping_sub(self.value);
        out.signed_varbit(delta.wrapping_sub(self.delta));
        *self = Self { value, delta };
    }
}

impl Numbers {
    /// Writes all of the first histogram, and its sum where that belongs.
    fn first(out: &mut BitWriter, parts: &HistogramParts<'_>) -> (Self, XorWriter) {
        match &parts.counts {
            PartCounts::Integer { count, zero_count, positive_deltas, negative_deltas } => {
                let number = |value: u64| Dod { value: value as i64, delta: 0 };
                out.varbit(*count);
                out.varbit(*zero_count);
                let sum = XorWriter::first(out, parts.sum);
                let all = positive_deltas.iter().chain(negative_deltas.iter());
                let buckets = all.map(|&value| {
                    out.signed_varbit(value);
                    Dod { value, delta: 0 }
                });
                let buckets = buckets.collect();
                (Self::Integer { count: number(*count), zero_count: number(*zero_count), buckets }, sum)
            }
            PartCounts::Float { count, zero_count, positive_counts, negative_counts } => {
                let count = XorWriter::first(out, *count);
                let zero_count = XorWriter::first(out, *zero_count);
                let sum = XorWriter::first(out, parts.sum);
                let all = positive_counts.iter().chain(negative_counts.iter());
                let buckets = all.map(|&value| XorWriter::first(out, value)).collect();
                (Self::Float { count, zero_count, buckets }, sum)
            }
        }
    }

    /// Of the same kind: layouts tell.
    fn step_counts(&mut self, out: &mut BitWriter, counts: &PartCounts<'_>) {
        match (self, counts) {
            (
                Self::Integer { count, zero_count, .. },
                PartCounts::Integer { count: all, zero_count: zero, .. },
            ) => {
                count.step(out, *all as i64);
                zero_count.step(out, *zero as i64);
            }
            (
                Self::Float { count, zero_count, .. },
                PartCounts::Float { count: all, zero_count: zero, .. },
            ) => {
                count.step(out, *all);
                zero_count.step(out, *zero);
            }
            _ => {}
        }
    }

    fn step_buckets(&mut self, out: &mut BitWriter, counts: &PartCounts<'_>) {
        match (self, counts) {
            (Self::Integer { buckets, .. }, PartCounts::Integer { positive_deltas, negative_deltas, .. }) => {
                let all = positive_deltas.iter().chain(negative_deltas.iter());
                buckets.iter_mut().zip(all).for_each(|(bucket, &value)| bucket.step(out, value));
            }
            (Self::Float { buckets, .. }, PartCounts::Float { positive_counts, negative_counts, .. }) => {
                let all = positive_counts.iter().chain(negative_counts.iter());
                buckets.iter_mut().zip(all).for_each(|(bucket, &value)| bucket.step(out, value));
            }
            _ => {}
        }
    }

    /// The counts of a stale marker, which has no buckets.
    fn step_to_none(&mut self, out: &mut BitWriter) {
        match self {
            Self::Integer { count, zero_count, .. } => {
                count.step(out, 0);
                zero_count.step(out, 0);
            }
            Self::Float { count, zero_count, .. } => {
                count.step(out, 0.0);
                zero_count.step(out, 0.0);
            }
        }
    }
}
