//! The windows by which rollups are joined whose samples are gone.

use latewood_model::Resolution;

use super::Tiers;

/// The lengths of windows of each resolution. They are aligned as those of [`Tiers`] are.
///
/// Invariant: what a finer resolution is joined by, coarser ones are, too. A rollup names the finer one that it was made
/// of, so that a finer one can be joined only together with the coarser ones of its times.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RollupTiers(Vec<(i64, Resolution)>);

impl RollupTiers {
    /// Of lengths in milliseconds, of 5m, 1h and 1d; the text says what is wrong with them.
    ///
    /// # Errors
    /// When a list is neither empty nor one of [`Tiers`], or does not begin with that of the resolution before.
    pub fn new(lengths_ms: [Vec<i64>; 3]) -> Result<Self, String> {
        let (mut all, mut finer): (Vec<(i64, Resolution)>, Vec<i64>) = (Vec::new(), Vec::new());
        for (lengths, resolution) in lengths_ms.into_iter().zip(Resolution::ALL.into_iter().skip(1)) {
            if !lengths.starts_with(&finer) {
                return Err(format!("those of {resolution} must begin with those of the resolution before"));
            }
            if !lengths.is_empty() {
                Tiers::new(lengths.clone())?;
            }
            for length in lengths.iter().filter(|length| !finer.contains(length)) {
                all.push((*length, resolution));
            }
            finer = lengths;
        }
        all.sort_unstable();
        Ok(Self(all))
    }

    /// The lengths, ascending, each with the finest resolution that is joined by it.
    pub(super) fn lengths(&self) -> impl Iterator<Item = (i64, Resolution)> {
        self.0.iter().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finer_resolutions_are_joined_by_no_window_that_coarser_ones_are_not() {
        let of = |five: &[i64], hour: &[i64], day: &[i64]| {
            RollupTiers::new([five, hour, day].map(<[i64]>::to_vec))
        };
        let lengths: Vec<_> = of(&[20], &[20], &[20, 100]).unwrap().lengths().collect();
        assert_eq!(lengths, [(20, Resolution::FiveMinutes), (100, Resolution::OneDay)]);
        assert_eq!(of(&[], &[], &[]).unwrap().lengths().count(), 0);
        for wrong in
            [of(&[20], &[], &[20]), of(&[20], &[40], &[40]), of(&[], &[], &[0]), of(&[], &[20], &[20, 30])]
        {
            assert!(wrong.is_err(), "{wrong:?}");
        }
    }
}
