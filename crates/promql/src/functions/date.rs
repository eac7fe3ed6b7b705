//! `hour`, `month` and their kin, in UTC, of seconds since the epoch.
//!
//! Any value has a date, as in Go: the fraction is cut off, what does not fit 64 bits (NaN too) counts as the
//! least integer, and the count of seconds wraps around. That is why no calendar library with a narrower range is used.

use crate::annotations::CallContext;

/// Seconds from the first day of Go's calendar, 1 March of the year -292277022400, to the epoch.
const ABSOLUTE_TO_EPOCH: i128 = 9_223_372_028_741_760_000;
const DAY: i128 = 86_400;
const TWO_TO_63: f64 = (1_u64 << 63) as f64;

/// A moment of the civil calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Civil {
    year: i128,
    /// 1 to 12.
    month: i128,
    /// 1 to 31.
    day: i128,
    /// Days since the epoch.
    days: i128,
    /// Seconds of the day.
    second: i128,
}

/// Makes a kernel of an expression in a date.
macro_rules! kernels {
    ($($(#[$doc:meta])* $name:ident = |$date:ident| $body:expr;)*) => {$(
        $(#[$doc])*
        #[allow(clippy::cast_precision_loss)] // small numbers, but for years that nobody means
        pub(super) fn $name(value: f64, _: i64, _: &[f64], _: &mut CallContext) -> Option<f64> {
            let $date = civil(value);
            Some(($body) as f64)
        }
    )*};
}

kernels! {
    /// `minute`: 0 to 59.
    minute = |date| date.second / 60 % 60;
    /// `hour`: 0 to 23.
    hour = |date| date.second / 3600;
    /// `day_of_week`: 0, Sunday, to 6.
    day_of_week = |date| (date.days + 4).rem_euclid(7);
    /// `day_of_month`: 1 to 31.
    day_of_month = |date| date.day;
    /// `days_in_month`: 28 to 31.
    days_in_month = |date| first_of_next_month(date) - days_of(date.year, date.month, 1);
    /// `day_of_year`: 1 to 366.
    day_of_year = |date| date.days - days_of(date.year, 1, 1) + 1;
    /// `month`: 1 to 12.
    month = |date| date.month;
    /// `year`
    year = |date| date.year;
}

fn civil(value: f64) -> Civil {
    let seconds = i128::from(whole(value));
    let absolute = (seconds + ABSOLUTE_TO_EPOCH).rem_euclid(1 << 64);
    let (days, second) = ((absolute - ABSOLUTE_TO_EPOCH).div_euclid(DAY), absolute % DAY);
    let (year, month, day) = date_of(days);
    Civil { year, month, day, days, second }
}

/// The integer part as amd64 converts it.
#[allow(clippy::cast_possible_truncation)] // that is the point
fn whole(value: f64) -> i64 {
    if (-TWO_TO_63..TWO_TO_63).contains(&value) { value as i64 } else { i64::MIN }
}

/// The Gregorian date of a day since the epoch (Hinnant's `civil_from_days`).
fn date_of(days: i128) -> (i128, i128, i128) {
    let shifted = days + 719_468;
    let (era, of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (era * 400 + year_of_era + i128::from(month <= 2), month, day)
}

/// The day since the epoch of a Gregorian date (Hinnant's `days_from_civil`).
fn days_of(year: i128, month: i128, day: i128) -> i128 {
    let year = year - i128::from(month <= 2);
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let from_march = (month + 9) % 12;
    let of_year = (153 * from_march + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + of_year - 719_468
}

fn first_of_next_month(date: Civil) -> i128 {
    if date.month == 12 { days_of(date.year + 1, 1, 1) } else { days_of(date.year, date.month + 1, 1) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::functions::ElementKernel;

    const ALL: [ElementKernel; 8] =
        [minute, hour, day_of_week, day_of_month, days_in_month, day_of_year, month, year];

    fn of(value: f64) -> [f64; 8] {
        ALL.map(|kernel| kernel(value, 0, &[], &mut CallContext::default()).unwrap_or(f64::NAN))
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        // 2024-02-29 12:34:56.789, a Thursday
        assert_eq!(of(1_709_210_096.789), [34.0, 12.0, 4.0, 29.0, 29.0, 60.0, 2.0, 2024.0]);
        // the epoch, a Thursday
        assert_eq!(of(0.0), [0.0, 0.0, 4.0, 1.0, 31.0, 1.0, 1.0, 1970.0]);
        // 1969-12-31 23:59:59: -1.5 is cut to -1
        assert_eq!(of(-1.5), [59.0, 23.0, 3.0, 31.0, 31.0, 365.0, 12.0, 1969.0]);
        // 1900 was no leap year
        assert_eq!(of(-2_203_891_200.0)[4..], [31.0, 60.0, 3.0, 1900.0]);
    }

    #[test]
    fn every_number_has_a_date() {
        // What Prometheus says on amd64.
        let least = [30.0, 15.0, 0.0, 4.0, 31.0, 339.0, 12.0, 292_277_026_596.0];
        for value in
            [f64::NAN, f64::INFINITY, -1e300, 9_223_372_036_854_775_807.0, -9_223_372_036_854_775_808.0]
        {
            assert_eq!(of(value), least, "{value}");
        }
        assert_eq!(of(9_223_372_036_854_774_000.0)[..3], [56.0, 14.0, 0.0]);
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MAX, 1e18, -1e18] {
            let date = of(value);
            assert!((1.0..=12.0).contains(&date[6]) && (28.0..=31.0).contains(&date[4]), "{value} {date:?}");
        }
    }
}
