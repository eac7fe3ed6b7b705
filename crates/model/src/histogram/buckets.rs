//! The populated buckets of one side of a histogram.

use std::fmt::Debug;
use std::sync::Arc;

/// How observations are counted: `u64`, or `f64` in float histograms.
pub trait BucketCount: Copy + Debug + PartialEq + PartialOrd + Send + Sync + 'static {
    /// No observation.
    const ZERO: Self;

    /// Whether a bucket with this count is not kept; −0 is as good as 0.
    fn is_nothing(self) -> bool {
        self == Self::ZERO
    }

    /// The bits that stand for the count where counts are ordered or stored.
    fn bits(self) -> u64;

    /// As a float, rounded.
    fn to_f64(self) -> f64;
}

impl BucketCount for u64 {
    const ZERO: Self = 0;

    fn bits(self) -> u64 {
        self
    }

    fn to_f64(self) -> f64 {
        self as f64
    }
}

impl BucketCount for f64 {
    const ZERO: Self = 0.0;

    fn bits(self) -> u64 {
        self.to_bits()
    }

    fn to_f64(self) -> f64 {
        self
    }
}

/// Indexes and absolute counts, as many of each. The indexes ascend strictly and are shared: histograms of
/// one series that populate the same buckets need them only once.
#[derive(Clone, Debug)]
pub struct Buckets<C> {
    indexes: Arc<[i32]>,
    counts: Vec<C>,
}

impl<C> Default for Buckets<C> {
    fn default() -> Self {
        Self { indexes: Arc::default(), counts: Vec::new() }
    }
}

impl<C: BucketCount> Buckets<C> {
    /// From pairs of index and count, the indexes strictly ascending; buckets without observations are left out.
    pub fn from_pairs(pairs: impl IntoIterator<Item = (i32, C)>) -> Self {
        let populated = pairs.into_iter().filter(|(_, count)| !count.is_nothing());
        let (indexes, counts): (Vec<i32>, Vec<C>) = populated.unzip();
        debug_assert!(indexes.windows(2).all(|pair| pair[0] < pair[1]), "indexes ascend");
        Self { indexes: indexes.into(), counts }
    }

    /// From shared indexes, strictly ascending, and as many counts. The indexes stay shared if all buckets
    /// are populated.
    #[must_use]
    pub fn from_layout(indexes: &Arc<[i32]>, counts: Vec<C>) -> Self {
        debug_assert_eq!(indexes.len(), counts.len());
        if counts.iter().any(|count| count.is_nothing()) {
            return Self::from_pairs(indexes.iter().copied().zip(counts));
        }
        Self { indexes: Arc::clone(indexes), counts }
    }

    /// How many buckets are populated.
    #[must_use]
    pub fn len(&self) -> usize {
        self.counts.len()
    }

    /// How many runs of neighbouring buckets are populated.
    #[must_use]
    pub fn runs(&self) -> usize {
        let gaps = self.indexes.windows(2).filter(|pair| pair[1] != pair[0].wrapping_add(1)).count();
        gaps + usize::from(!self.is_empty())
    }

    /// Whether no bucket is populated.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }

    /// The indexes, to be shared with histograms that populate the same buckets.
    #[must_use]
    pub fn layout(&self) -> &Arc<[i32]> {
        &self.indexes
    }

    /// The counts, in the order of the indexes.
    #[must_use]
    pub fn counts(&self) -> &[C] {
        &self.counts
    }

    /// Index and count of each populated bucket, ascending.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (i32, C)> + ExactSizeIterator + Clone {
        self.indexes.iter().copied().zip(self.counts.iter().copied())
    }

    /// Whether the same buckets are populated.
    #[must_use]
    pub fn same_layout<D>(&self, other: &Buckets<D>) -> bool {
        Arc::ptr_eq(&self.indexes, &other.indexes) || self.indexes == other.indexes
    }

    /// Moves each bucket to another index, by a function that does not change their order; buckets that
    /// meet are added up from the left.
    #[must_use]
    pub fn reindexed(&self, index: impl Fn(i32) -> i32, add: impl Fn(C, C) -> C) -> Self {
        let mut merged: Vec<(i32, C)> = Vec::with_capacity(self.len());
        for (old, count) in self.iter() {
            let new = index(old);
            match merged.last_mut().filter(|(last, _)| *last == new) {
                Some((_, sum)) => *sum = add(*sum, count),
                None => merged.push((new, count)),
            }
        }
        Self::from_pairs(merged)
    }

    /// The counts as floats.
    #[must_use]
    pub fn to_f64(&self) -> Buckets<f64> {
        let counts = self.counts.iter().map(|count| count.to_f64()).collect();
        Buckets { indexes: Arc::clone(&self.indexes), counts }
    }

    /// Bytes held on the heap; shared indexes count in full.
    #[must_use]
    pub fn heap_size(&self) -> usize {
        self.indexes.len() * size_of::<i32>() + self.counts.capacity() * size_of::<C>()
    }
}

impl<C: BucketCount> PartialEq for Buckets<C> {
    /// Bit for bit.
    fn eq(&self, other: &Self) -> bool {
        self.same_layout(other) && self.counts.iter().zip(&other.counts).all(|(a, b)| a.bits() == b.bits())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_without_observations_are_left_out() {
        let buckets = Buckets::from_pairs([(-1, 2_u64), (0, 0), (7, 1)]);
        assert_eq!(buckets.iter().collect::<Vec<_>>(), [(-1, 2), (7, 1)]);
        let shared = Buckets::from_layout(buckets.layout(), vec![5_u64, 6]);
        assert!(Arc::ptr_eq(shared.layout(), buckets.layout()));
        assert_eq!(
            Buckets::from_layout(buckets.layout(), vec![0_u64, 6]).iter().collect::<Vec<_>>(),
            [(7, 6)]
        );
    }

    #[test]
    fn nan_is_a_count_and_negative_zero_is_none() {
        let buckets = Buckets::from_pairs([(0, -0.0_f64), (1, 0.0), (2, f64::NAN)]);
        assert_eq!(buckets.len(), 1);
        assert_eq!(buckets, buckets.clone());
    }
}
