//! Windows of float samples.

use std::sync::Arc;

use crate::TimestampMs;

/// What a window's float samples come to. There is at least one that is no stale marker.
#[derive(Clone, Copy, Debug)]
pub struct FloatRollup {
    /// The window's end, which is its label.
    pub end: TimestampMs,
    /// How many samples, at least one.
    pub count: u64,
    /// Their sum, compensated, as `sum_over_time` gives it.
    pub sum: f64,
    /// The least, as `min_over_time` gives it: NaN only if all are.
    pub min: f64,
    /// The greatest, as `max_over_time` gives it: NaN only if all are.
    pub max: f64,
    /// The first one.
    pub first: f64,
    /// The last one.
    pub last: f64,
    /// The time of the first one.
    pub first_at: TimestampMs,
    /// The time of the last one.
    pub last_at: TimestampMs,
    /// The sum of the values before each counter reset inside the window, in order of time: what `rate` adds to the last
    /// less the first.
    pub correction: f64,
    /// Whether a stale marker, of either kind, follows the last sample in the same five minutes, the finest window. In
    /// longer windows a last sample from before their last five minutes is beyond the usual look-back without one; so
    /// nothing is lost, and the finer windows tell.
    pub is_stale: bool,
}

impl FloatRollup {
    /// What `increase` would give of the window without extrapolation.
    #[must_use]
    pub fn increase(&self) -> f64 {
        self.last - self.first + self.correction
    }

    /// A window with one sample.
    #[inline]
    pub(super) fn one(end: TimestampMs, at: TimestampMs, value: f64) -> Self {
        Self {
            end,
            count: 1,
            sum: value,
            min: value,
            max: value,
            first: value,
            last: value,
            first_at: at,
            last_at: at,
            correction: 0.0,
            is_stale: false,
        }
    }
}

impl PartialEq for FloatRollup {
    /// Bit for bit.
    fn eq(&self, other: &Self) -> bool {
        let numbers =
            |one: &Self| [one.sum, one.min, one.max, one.first, one.last, one.correction].map(f64::to_bits);
        let rest = |one: &Self| (one.end, one.count, one.first_at, one.last_at, one.is_stale);
        rest(self) == rest(other) && numbers(self) == numbers(other)
    }
}

/// Windows of float samples in ascending order of time, column by column. Each column is as long as `ends`, or empty
/// where a reader was not asked for it.
#[derive(Clone, Debug, Default)]
pub struct FloatRollups {
    /// [`FloatRollup::end`], strictly ascending. May be shared between series.
    pub ends: Arc<[TimestampMs]>,
    /// [`FloatRollup::count`]
    pub counts: Vec<u64>,
    /// [`FloatRollup::sum`]
    pub sums: Vec<f64>,
    /// [`FloatRollup::min`]
    pub mins: Vec<f64>,
    /// [`FloatRollup::max`]
    pub maxs: Vec<f64>,
    /// [`FloatRollup::first`]
    pub firsts: Vec<f64>,
    /// [`FloatRollup::last`]
    pub lasts: Vec<f64>,
    /// [`FloatRollup::first_at`]. May be shared between series.
    pub first_at: Arc<[TimestampMs]>,
    /// [`FloatRollup::last_at`]. May be shared between series.
    pub last_at: Arc<[TimestampMs]>,
    /// [`FloatRollup::correction`]
    pub corrections: Vec<f64>,
    /// [`FloatRollup::is_stale`]
    pub stale: Vec<bool>,
}

impl FloatRollups {
    /// How many windows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// How many floats take about as much memory, as far as columns are there.
    #[must_use]
    pub fn weight(&self) -> usize {
        let floats = [&self.sums, &self.mins, &self.maxs, &self.firsts, &self.lasts, &self.corrections];
        let times = [&self.ends, &self.first_at, &self.last_at];
        let floats: usize = floats.iter().map(|column| column.len()).sum();
        let times: usize = times.iter().map(|column| column.len()).sum();
        floats + times + self.counts.len() + self.stale.len() / 8
    }

    /// A window with all its figures; nothing where a column does not have it.
    #[must_use]
    pub fn get(&self, window: usize) -> Option<FloatRollup> {
        Some(FloatRollup {
            end: *self.ends.get(window)?,
            count: *self.counts.get(window)?,
            sum: *self.sums.get(window)?,
            min: *self.mins.get(window)?,
            max: *self.maxs.get(window)?,
            first: *self.firsts.get(window)?,
            last: *self.lasts.get(window)?,
            first_at: *self.first_at.get(window)?,
            last_at: *self.last_at.get(window)?,
            correction: *self.corrections.get(window)?,
            is_stale: *self.stale.get(window)?,
        })
    }

    /// The windows one by one, as far as all columns have them.
    pub fn iter(&self) -> impl Iterator<Item = FloatRollup> + '_ {
        (0..self.len()).map_while(|window| self.get(window))
    }
}

impl FromIterator<FloatRollup> for FloatRollups {
    fn from_iter<I: IntoIterator<Item = FloatRollup>>(windows: I) -> Self {
        let windows = windows.into_iter();
        let mut builder = FloatRollupsBuilder::with_capacity(windows.size_hint().0);
        windows.for_each(|window| builder.push(&window));
        builder.finish()
    }
}

/// Collects windows.
pub(super) struct FloatRollupsBuilder {
    ends: Vec<TimestampMs>,
    first_at: Vec<TimestampMs>,
    last_at: Vec<TimestampMs>,
    rest: FloatRollups,
}

impl FloatRollupsBuilder {
    pub(super) fn with_capacity(windows: usize) -> Self {
        let floats = || Vec::with_capacity(windows);
        Self {
            ends: Vec::with_capacity(windows),
            first_at: Vec::with_capacity(windows),
            last_at: Vec::with_capacity(windows),
            rest: FloatRollups {
                counts: Vec::with_capacity(windows),
                sums: floats(),
                mins: floats(),
                maxs: floats(),
                firsts: floats(),
                lasts: floats(),
                corrections: floats(),
                stale: Vec::with_capacity(windows),
                ..FloatRollups::default()
            },
        }
    }

    pub(super) fn push(&mut self, window: &FloatRollup) {
        self.ends.push(window.end);
        self.first_at.push(window.first_at);
        self.last_at.push(window.last_at);
        self.rest.counts.push(window.count);
        self.rest.sums.push(window.sum);
        self.rest.mins.push(window.min);
        self.rest.maxs.push(window.max);
        self.rest.firsts.push(window.first);
        self.rest.lasts.push(window.last);
        self.rest.corrections.push(window.correction);
        self.rest.stale.push(window.is_stale);
    }

    pub(super) fn finish(self) -> FloatRollups {
        FloatRollups {
            ends: self.ends.into(),
            first_at: self.first_at.into(),
            last_at: self.last_at.into(),
            ..self.rest
        }
    }
}
