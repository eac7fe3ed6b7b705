//! Which figures of windows are asked for.

use std::ops::BitOr;

use super::SeriesRollups;

/// Figures of windows of floats.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RollupColumns(u16);

impl RollupColumns {
    /// None but the ends.
    pub const NONE: Self = Self(0);
    /// The number of samples.
    pub const COUNT: Self = Self(1);
    /// Their sum.
    pub const SUM: Self = Self(1 << 1);
    /// The least.
    pub const MIN: Self = Self(1 << 2);
    /// The greatest.
    pub const MAX: Self = Self(1 << 3);
    /// The first.
    pub const FIRST: Self = Self(1 << 4);
    /// The last.
    pub const LAST: Self = Self(1 << 5);
    /// What was before counter resets.
    pub const CORRECTION: Self = Self(1 << 6);
    /// The times of first and last sample.
    pub const TIMES: Self = Self(1 << 7);
    /// Whether the window is stale.
    pub const STALE: Self = Self(1 << 8);
    /// What [`SeriesRollups::thinned`](super::SeriesRollups::thinned) needs.
    pub const THINNED: Self = Self(Self::LAST.0 | Self::TIMES.0);
    /// All of them.
    pub const ALL: Self = Self((1 << 9) - 1);

    /// Whether all figures of the other are among these.
    #[must_use]
    pub fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// How many figures.
    #[must_use]
    pub fn count(self) -> u32 {
        self.0.count_ones()
    }

    /// A bit for each, as they are sent: never give one another meaning.
    #[must_use]
    pub fn bits(self) -> u32 {
        u32::from(self.0)
    }

    /// From these bits; nothing where one of them means nothing here.
    #[must_use]
    pub fn from_bits(bits: u32) -> Option<Self> {
        u16::try_from(bits).ok().filter(|bits| bits & !Self::ALL.0 == 0).map(Self)
    }
}

impl SeriesRollups {
    /// The same with these figures of its windows of floats alone.
    #[must_use]
    pub fn with_only(mut self, columns: RollupColumns) -> Self {
        let floats = &mut self.floats;
        let goes = |column: RollupColumns| !columns.contains(column);
        if goes(RollupColumns::COUNT) {
            floats.counts = Vec::new();
        }
        for (column, values) in [
            (RollupColumns::SUM, &mut floats.sums),
            (RollupColumns::MIN, &mut floats.mins),
            (RollupColumns::MAX, &mut floats.maxs),
            (RollupColumns::FIRST, &mut floats.firsts),
            (RollupColumns::LAST, &mut floats.lasts),
            (RollupColumns::CORRECTION, &mut floats.corrections),
        ] {
            if goes(column) {
                *values = Vec::new();
            }
        }
        if goes(RollupColumns::TIMES) {
            (floats.first_at, floats.last_at) = Default::default();
        }
        if goes(RollupColumns::STALE) {
            floats.stale = Vec::new();
        }
        self
    }
}

impl BitOr for RollupColumns {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_come_back_from_their_bits_and_unknown_ones_are_refused() {
        let some = RollupColumns::SUM | RollupColumns::STALE;
        assert_eq!((some.bits(), some.count()), (0b1_0000_0010, 2));
        for columns in [some, RollupColumns::NONE, RollupColumns::ALL] {
            assert_eq!(RollupColumns::from_bits(columns.bits()), Some(columns));
        }
        assert_eq!([1 << 9, 1 << 31, u32::MAX].map(RollupColumns::from_bits), [None; 3]);
        assert!(RollupColumns::ALL.contains(some) && !some.contains(RollupColumns::ALL));
    }
}
