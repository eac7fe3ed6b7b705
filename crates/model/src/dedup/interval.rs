//! The interval at which a replica samples: a running lower median of distances.

use std::collections::VecDeque;

use crate::TimestampMs;

/// The bounds of an interval, in milliseconds.
pub(super) const MIN_MS: i64 = 1_000;
pub(super) const MAX_MS: i64 = 300_000;
/// Distances between samples of this many milliseconds count.
pub(super) const WINDOW_MS: i64 = 2_400_000;

/// The distances in a window that moves on. What is shorter than the least interval is only counted, so that at most
/// 2,400 are held in order; a sample costs two binary searches in them and a move of some kilobytes at the very most.
#[derive(Debug, Default)]
pub(super) struct Interval {
    times: VecDeque<TimestampMs>,
    /// Distances of [`MIN_MS`] and less.
    short: usize,
    /// The others, none counted as longer than [`MAX_MS`], ascending.
    longer: Vec<i64>,
}

impl Interval {
    /// Takes the next sample; the lower median of the distances in the window that ends with it, within the bounds.
    /// None if there is no distance.
    pub(super) fn push(&mut self, at: TimestampMs) -> Option<i64> {
        while let Some(&oldest) = self.times.front()
            && oldest <= at.saturating_sub(WINDOW_MS)
        {
            self.times.pop_front();
            self.times.front().copied().into_iter().for_each(|next| self.remove(next.saturating_sub(oldest)));
        }
        self.times.back().copied().into_iter().for_each(|last| self.insert(at.saturating_sub(last)));
        self.times.push_back(at);
        let middle = (self.times.len() - 1).checked_sub(1)? / 2;
        match middle.checked_sub(self.short) {
            None => Some(MIN_MS),
            Some(place) => self.longer.get(place).copied(),
        }
    }

    fn insert(&mut self, distance: i64) {
        if distance <= MIN_MS {
            self.short += 1;
            return;
        }
        let distance = distance.min(MAX_MS);
        let place = self.longer.partition_point(|&other| other <= distance);
        self.longer.insert(place, distance);
    }

    fn remove(&mut self, distance: i64) {
        if distance <= MIN_MS {
            self.short -= 1;
            return;
        }
        let distance = distance.min(MAX_MS);
        let behind = self.longer.partition_point(|&other| other <= distance);
        if let Some(place) = behind.checked_sub(1) {
            self.longer.remove(place);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_single_sample_has_no_interval_and_bounds_hold() {
        let last = |times: &[i64]| {
            let mut interval = Interval::default();
            times.iter().map(|&at| interval.push(at)).last().flatten()
        };
        assert_eq!(last(&[5]), None);
        assert_eq!(last(&[0, 15_000]), Some(15_000));
        assert_eq!(last(&[0, 15_000, 75_000]), Some(15_000), "the lower of two");
        assert_eq!(last(&[0, 100, 200]), Some(MIN_MS));
        assert_eq!(last(&[0, 2_000_000]), Some(MAX_MS));
        assert_eq!(last(&[0, WINDOW_MS]), None, "a sample at the open end is outside");
    }

    proptest! {
        #[test]
        fn it_equals_sorting_the_window(distances in prop::collection::vec(1i64..700_000, 1..300), unit in 1i64..2) {
            let mut interval = Interval::default();
            let (mut at, mut times) = (0, Vec::new());
            for distance in distances {
                at += distance / unit / if distance % 3 == 0 { 600 } else { 1 } + 1;
                times.push(at);
                let window: Vec<i64> = times.iter().copied().filter(|&time| time > at - WINDOW_MS).collect();
                let mut sorted: Vec<i64> = window.windows(2).map(|pair| pair[1] - pair[0]).collect();
                sorted.sort_unstable();
                let median = sorted.len().checked_sub(1).map(|last| sorted[last / 2].clamp(MIN_MS, MAX_MS));
                prop_assert_eq!(interval.push(at), median);
            }
        }
    }
}
