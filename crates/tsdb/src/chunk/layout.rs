//! What all histograms of a chunk have in common.

use latewood_model::histogram::{HistogramParts, MAX_BUCKETS, PartCounts, ResetHint, Span, is_custom};
use latewood_model::{NativeHistogram, is_stale};

use super::Fault;
use super::bits::Bits;

/// Schema, zero bucket, and which buckets there are.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Layout {
    schema: i32,
    zero_threshold: f64,
    pub(super) positive: Side,
    pub(super) negative: Side,
    custom_bounds: Vec<f64>,
}

/// The buckets of a side.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Side {
    spans: Vec<Span>,
    /// How many.
    pub(super) buckets: usize,
}

impl Layout {
    pub(super) fn read(bits: &mut Bits<'_>) -> Result<Self, Fault> {
        let zero_threshold = zero_threshold(bits)?;
        let schema = i32::try_from(bits.signed_varbit()?);
        let schema = schema.map_err(|_| Fault::damaged("a histogram's schema is no number of 32 bits"))?;
        let (positive, negative) = (Side::read(bits)?, Side::read(bits)?);
        let custom_bounds = if is_custom(schema) { custom_bounds(bits)? } else { Vec::new() };
        Ok(Self { schema, zero_threshold, positive, negative, custom_bounds })
    }

    /// A histogram of these buckets.
    pub(super) fn histogram(
        &self,
        reset_hint: ResetHint,
        sum: f64,
        counts: PartCounts<'_>,
    ) -> Result<NativeHistogram, Fault> {
        if is_stale(sum) {
            return Ok(NativeHistogram::stale());
        }
        let parts = HistogramParts {
            schema: self.schema,
            zero_threshold: self.zero_threshold,
            sum,
            reset_hint: reset_hint.to_wire(),
            custom_bounds: self.custom_bounds.as_slice().into(),
            positive_spans: self.positive.spans.as_slice().into(),
            negative_spans: self.negative.spans.as_slice().into(),
            counts,
        };
        parts.into_native().map_err(|error| Fault::damaged(format!("a histogram is none: {error}")))
    }
}

impl Side {
    fn read(bits: &mut Bits<'_>) -> Result<Self, Fault> {
        let count = bits.varbit()?;
        // A span has two bits at least.
        let mut spans = Vec::with_capacity(count.min(bits.left() as u64 / 2) as usize);
        let mut buckets = 0_u64;
        for _ in 0..count {
            let (length, offset) = (bits.varbit()?, bits.signed_varbit()?);
            let span = u32::try_from(length).ok().zip(i32::try_from(offset).ok());
            let (length, offset) = span.ok_or_else(|| Fault::damaged("a span of buckets has no 32 bits"))?;
            buckets = buckets.saturating_add(length.into());
            spans.push(Span { offset, length });
        }
        if buckets > MAX_BUCKETS as u64 {
            return Err(Fault::TooLarge(format!("a histogram of {buckets} buckets"), MAX_BUCKETS as u64));
        }
        Ok(Self { spans, buckets: buckets as usize })
    }
}

/// One byte for 0 and for powers of two, else 255 and the number.
fn zero_threshold(bits: &mut Bits<'_>) -> Result<f64, Fault> {
    match bits.take(8)? {
        0 => Ok(0.0),
        255 => bits.float(),
        // 2^(byte − 244), which is a normal number.
        byte => Ok(f64::from_bits((byte + 1023 - 244) << 52)),
    }
}

/// Thousandths plus one where they are whole and few, else 0 and the number.
fn custom_bounds(bits: &mut Bits<'_>) -> Result<Vec<f64>, Fault> {
    let count = bits.varbit()?;
    if count > MAX_BUCKETS as u64 {
        return Err(Fault::TooLarge(format!("a histogram of {count} bounds"), MAX_BUCKETS as u64));
    }
    let mut bounds = Vec::with_capacity((count as usize).min(bits.left() / 5));
    for _ in 0..count {
        let bound = match bits.varbit()? {
            0 => bits.float()?,
            thousandths => (thousandths - 1) as f64 / 1000.0,
        };
        bounds.push(bound);
    }
    Ok(bounds)
}

#[cfg(test)]
mod tests {
    use super::super::bits::packed;
    use super::*;

    #[test]
    fn zero_thresholds_are_powers_of_two_or_written_out() {
        for (byte, expected) in [(0, 0.0), (1, 2f64.powi(-243)), (116, 2f64.powi(-128)), (254, 2f64.powi(10))]
        {
            assert_eq!(zero_threshold(&mut Bits::new(&[byte])).unwrap(), expected, "{byte}");
        }
        let written = [&[255], 0.3_f64.to_be_bytes().as_slice()].concat();
        assert_eq!(zero_threshold(&mut Bits::new(&written)).unwrap(), 0.3);
    }

    #[test]
    fn buckets_are_not_allocated_on_the_word_of_a_chunk() {
        let (one, none) = ("10001", "0");
        let lie = format!("{one}11111110{:056b}{none}", u32::MAX);
        let side = Side::read(&mut Bits::new(&packed(&lie)));
        assert!(matches!(side, Err(Fault::TooLarge(..))), "{side:?}");
        let endless = format!("11111111{:064b}", u64::MAX);
        assert_eq!(Side::read(&mut Bits::new(&packed(&endless))), Err(super::super::ended()));
        let honest = format!("{one}1001010101");
        let spans = Side::read(&mut Bits::new(&packed(&honest))).unwrap();
        assert_eq!(spans, Side { spans: vec![Span { offset: -3, length: 2 }], buckets: 2 });
    }
}
