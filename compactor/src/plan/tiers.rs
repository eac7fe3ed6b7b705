//! Windows of time by tiers: what was written together is put together with its neighbours as it grows old.

use latewood_model::{TimeRange, TimestampMs};

/// Lengths of windows, ascending, each a multiple of the one before.
///
/// Windows are aligned to the Unix epoch and hold their end, not their start: `(k·length, (k+1)·length]`, as the windows
/// of downsampling do, which must not be cut by them. A [`TimeRange`] has both ends in it, so that such a window is
/// `k·length + 1 ..= (k+1)·length`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tiers(Vec<i64>);

impl Default for Tiers {
    /// 2 h, 12 h, 24 h and 7 d.
    fn default() -> Self {
        const HOUR_MS: i64 = 3_600_000;
        Self(vec![2 * HOUR_MS, 12 * HOUR_MS, 24 * HOUR_MS, 7 * 24 * HOUR_MS])
    }
}

impl Tiers {
    /// Of lengths in milliseconds; the text says what is wrong with them.
    ///
    /// # Errors
    /// When there are none, one is not positive, or one is no multiple of the one before.
    pub fn new(lengths_ms: Vec<i64>) -> Result<Self, String> {
        if lengths_ms.first().is_none_or(|first| *first <= 0) {
            return Err("there must be at least one window, longer than nothing".to_owned());
        }
        for pair in lengths_ms.windows(2) {
            if let [shorter, longer] = pair
                && (longer <= shorter || longer % shorter != 0)
            {
                return Err(format!("{longer} ms must be a multiple of {shorter} ms, and more"));
            }
        }
        Ok(Self(lengths_ms))
    }

    /// How many there are; at least one.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// The first tier whose windows are whole days: those of rollups do not cross them.
    #[must_use]
    pub fn of_rollups(&self) -> Option<usize> {
        const DAY_MS: i64 = 86_400_000;
        self.0.iter().position(|length| length % DAY_MS == 0)
    }

    /// The window of a tier that holds a time. Tiers beyond the last are the last.
    #[must_use]
    pub fn window(&self, tier: usize, at: TimestampMs) -> TimeRange {
        window_of(self.0.get(tier).or(self.0.last()).copied().unwrap_or(1), at)
    }

    /// The longest window that holds a time and ended by `closed_by`, among the tiers below `tiers`; with its tier.
    #[must_use]
    pub fn longest_closed(
        &self,
        at: TimestampMs,
        closed_by: TimestampMs,
        tiers: usize,
    ) -> Option<(usize, TimeRange)> {
        let tiers = (0..tiers.min(self.count())).rev();
        tiers.map(|tier| (tier, self.window(tier, at))).find(|(_, window)| window.end <= closed_by)
    }
}

/// The window of a length in milliseconds that holds a time. The first and the last there are may be shorter.
pub(super) fn window_of(length: i64, at: TimestampMs) -> TimeRange {
    let length = i128::from(length.max(1));
    let start = (i128::from(at) - 1).div_euclid(length) * length;
    let held = |time: i128| i64::try_from(time).unwrap_or(if time < 0 { i64::MIN } else { i64::MAX });
    TimeRange::new(held(start + 1), held(start + length))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lengths_that_do_not_nest_are_refused() {
        for wrong in [vec![], vec![0], vec![-2], vec![2, 3], vec![4, 2], vec![2, 2]] {
            assert!(Tiers::new(wrong.clone()).is_err(), "{wrong:?}");
        }
        assert_eq!(Tiers::new(vec![2, 12, 24]).unwrap().count(), 3);
    }

    #[test]
    fn a_window_holds_its_end() {
        let tiers = Tiers::new(vec![10, 100]).unwrap();
        assert_eq!(tiers.window(0, 0), TimeRange::new(-9, 0));
        assert_eq!(tiers.window(0, 1), TimeRange::new(1, 10));
        assert_eq!(tiers.window(1, 10), TimeRange::new(1, 100));
        assert_eq!(tiers.longest_closed(5, 100, 2), Some((1, TimeRange::new(1, 100))));
        assert_eq!(tiers.longest_closed(5, 99, 2), Some((0, TimeRange::new(1, 10))));
        assert_eq!(tiers.longest_closed(5, 100, 1), Some((0, TimeRange::new(1, 10))));
        assert_eq!(tiers.longest_closed(5, 9, 2), None);
    }

    /// Any, often near the ends of time.
    fn time() -> impl Strategy<Value = TimestampMs> {
        let near = 0_i64..2_000_000_000;
        prop_oneof![
            any::<i64>(),
            near.clone().prop_map(|after| i64::MIN + after),
            near.prop_map(|before| i64::MAX - before)
        ]
    }

    proptest! {
        #[test]
        fn windows_nest_and_follow_each_other(at in time(), first in 1i64..1_000_000, factor in 2i64..1_000) {
            let tiers = Tiers::new(vec![first, first * factor]).unwrap();
            let (inner, outer) = (tiers.window(0, at), tiers.window(1, at));
            prop_assert!(inner.contains(at) && outer.start <= inner.start && inner.end <= outer.end);
            prop_assert_eq!(tiers.window(0, inner.end), inner);
            if let Some(next) = inner.end.checked_add(1) {
                prop_assert_eq!(tiers.window(0, next).start, next);
            }
        }
    }
}
