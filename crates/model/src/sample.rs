//! A float sample and the stale marker.

use crate::TimestampMs;

/// The bits of the NaN by which Prometheus says that a series ended (`value.StaleNaN`).
pub const STALE_NAN_BITS: u64 = 0x7ff0_0000_0000_0002;

/// A value at a time.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// When, in milliseconds since the Unix epoch; may be negative.
    pub timestamp: TimestampMs,
    /// The value; its bits count, NaN payloads included.
    pub value: f64,
}

impl PartialEq for Sample {
    /// Bit for bit, so that NaNs and −0.0 compare as what they are.
    fn eq(&self, other: &Self) -> bool {
        self.timestamp == other.timestamp && self.value.to_bits() == other.value.to_bits()
    }
}

impl Eq for Sample {}

/// Whether a value is the stale marker.
#[must_use]
pub fn is_stale(value: f64) -> bool {
    value.to_bits() == STALE_NAN_BITS
}

/// The stale marker.
#[must_use]
pub const fn stale_nan() -> f64 {
    f64::from_bits(STALE_NAN_BITS)
}
