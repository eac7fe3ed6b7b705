//! What the sender knows of counter resets.

/// Whether a counter was reset before a histogram. The discriminants are those of remote write's `ResetHint`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum ResetHint {
    /// Not said: compare with the histogram before.
    #[default]
    Unknown = 0,
    /// This is the first histogram after a reset.
    Reset = 1,
    /// No reset since the histogram before.
    NoReset = 2,
    /// Not a counter: it rises and falls.
    Gauge = 3,
}

impl ResetHint {
    /// The hint that a sum or difference deserves, and whether the two contradict each other.
    #[must_use]
    pub fn combined(self, other: Self) -> (Self, bool) {
        match (self, other) {
            _ if self == other => (self, false),
            (Self::Gauge, _) | (_, Self::Gauge) => (Self::Gauge, false),
            (Self::Unknown, _) | (_, Self::Unknown) => (Self::Unknown, false),
            _ => (Self::Unknown, true),
        }
    }

    /// From its number on the wire; an unassigned number is [`ResetHint::Unknown`].
    #[must_use]
    pub fn from_wire(number: i32) -> Self {
        match number {
            1 => Self::Reset,
            2 => Self::NoReset,
            3 => Self::Gauge,
            _ => Self::Unknown,
        }
    }

    /// Its number on the wire.
    #[must_use]
    pub fn to_wire(self) -> i32 {
        self as i32
    }
}
