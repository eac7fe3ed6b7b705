//! The one rule that decides between samples of one series at one time: a sample beats a stale marker, a
//! histogram beats a float, else the greater bits win, and of equal samples the greater start timestamp.
//!
//! A start timestamp stays with the sample that it came with: it never moves to another value of the same time. None is
//! less than any, so that a sample which is sent once with and once without has it, whichever came first. As it is
//! compared last, who does not look at start timestamps sees the same values.
//!
//! Head, querier and compactor all merge with it. It is commutative, associative and idempotent, so
//! that retries, overlaps and late copies never matter.

use std::cmp::Ordering;

use crate::{HistogramSample, NO_START, NativeHistogram, Sample, TimestampMs, is_stale};

/// The value that stands when two were written for one series and time: a sample beats a stale marker,
/// else the one with the greater bits.
#[must_use]
pub fn preferred(a: f64, b: f64) -> f64 {
    match (is_stale(a), is_stale(b)) {
        (true, _) => b,
        (_, true) => a,
        _ if a.to_bits() >= b.to_bits() => a,
        _ => b,
    }
}

/// The rule for values with their start timestamps.
#[must_use]
pub fn preferred_started(a: (f64, TimestampMs), b: (f64, TimestampMs)) -> (f64, TimestampMs) {
    let (value, same) = (preferred(a.0, b.0), a.0.to_bits() == b.0.to_bits());
    match value.to_bits() == a.0.to_bits() {
        _ if same => (value, greater_start(a.1, b.1)),
        true => a,
        false => b,
    }
}

/// The start timestamp that stands when a sample was written with both.
fn greater_start(a: TimestampMs, b: TimestampMs) -> TimestampMs {
    let rank = |start| (start != NO_START, start);
    if rank(a) >= rank(b) { a } else { b }
}

/// Merges two runs of samples, each ascending in time with each time once, into `out`.
pub fn merge_into(a: &[Sample], b: &[Sample], out: &mut Vec<Sample>) {
    let (mut a, mut b) = (a.iter().copied().peekable(), b.iter().copied().peekable());
    out.reserve(a.len().max(b.len()));
    loop {
        match (a.peek(), b.peek()) {
            (Some(x), Some(y)) if x.timestamp == y.timestamp => {
                out.push(Sample { timestamp: x.timestamp, value: preferred(x.value, y.value) });
                a.next();
                b.next();
            }
            (Some(x), Some(y)) if x.timestamp > y.timestamp => out.extend(b.next()),
            (Some(_), _) => out.extend(a.next()),
            (None, Some(_)) => out.extend(b.next()),
            (None, None) => return,
        }
    }
}

/// The histogram that stands when two were written for one series and time.
#[must_use]
pub fn preferred_histogram(a: HistogramSample, b: HistogramSample) -> HistogramSample {
    match order(&a.histogram, &b.histogram) {
        Ordering::Less => b,
        Ordering::Equal => HistogramSample { start: greater_start(a.start, b.start), ..a },
        Ordering::Greater => a,
    }
}

/// Which of two histograms stands: the greater one.
fn order(a: &NativeHistogram, b: &NativeHistogram) -> Ordering {
    b.is_stale().cmp(&a.is_stale()).then_with(|| a.canonical_cmp(b))
}

/// Merges two runs of histograms, each ascending in time with each time once, into `out`.
///
/// What a histogram says of resets is about the one before it in its own run: where another one comes between,
/// its hint becomes unknown.
pub fn merge_histograms(a: Vec<HistogramSample>, b: Vec<HistogramSample>, out: &mut Vec<HistogramSample>) {
    out.reserve(a.len().max(b.len()));
    let (mut a, mut b) = (a.into_iter().peekable(), b.into_iter().peekable());
    let mut last = Origin::BOTH;
    loop {
        let order = match (a.peek(), b.peek()) {
            (Some(x), Some(y)) => x.timestamp.cmp(&y.timestamp),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => return,
        };
        let from_a = if order.is_le() { a.next() } else { None };
        let from_b = if order.is_ge() { b.next() } else { None };
        let (sample, origin) = match (from_a, from_b) {
            (Some(x), Some(y)) => chosen(x, y),
            (Some(x), None) => (x, Origin { a: true, b: false }),
            (None, Some(y)) => (y, Origin { a: false, b: true }),
            (None, None) => return,
        };
        let follows = (origin.a && last.a) || (origin.b && last.b);
        out.push(if follows { sample } else { without_hint(sample) });
        last = origin;
    }
}

/// Which runs have a sample.
#[derive(Clone, Copy)]
struct Origin {
    a: bool,
    b: bool,
}

impl Origin {
    const BOTH: Self = Self { a: true, b: true };
}

/// The one that stands of two at the same time.
fn chosen(x: HistogramSample, y: HistogramSample) -> (HistogramSample, Origin) {
    let order = order(&x.histogram, &y.histogram);
    (preferred_histogram(x, y), Origin { a: order.is_ge(), b: order.is_le() })
}

fn without_hint(sample: HistogramSample) -> HistogramSample {
    HistogramSample { histogram: sample.histogram.without_hint(), ..sample }
}

/// Leaves one sample to a time where a series has both floats and histograms, after each were merged. Both
/// ascend in time.
pub fn resolve_kinds(
    times: &mut Vec<TimestampMs>,
    values: &mut Vec<f64>,
    histograms: &mut Vec<HistogramSample>,
) {
    if times.is_empty() || histograms.is_empty() {
        return;
    }
    let mut floats = times.iter().copied().zip(values.iter().copied()).peekable();
    let mut lost = Vec::new();
    histograms.retain(|sample| {
        while floats.next_if(|(time, _)| *time < sample.timestamp).is_some() {}
        let Some((time, value)) = floats.next_if(|(time, _)| *time == sample.timestamp) else { return true };
        let float_stands = sample.histogram.is_stale() && !is_stale(value);
        if !float_stands {
            lost.push(time);
        }
        !float_stands
    });
    let mut kept = times.iter().map(|time| lost.binary_search(time).is_err());
    values.retain(|_| kept.next().unwrap_or(true));
    times.retain(|time| lost.binary_search(time).is_err());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::histogram::ResetHint;
    use crate::{FloatHistogram, stale_nan};

    fn histogram(timestamp: TimestampMs, count: f64) -> HistogramSample {
        let histogram = FloatHistogram { count, ..FloatHistogram::default() }.into();
        HistogramSample::new(timestamp, histogram)
    }

    fn stale(timestamp: TimestampMs) -> HistogramSample {
        HistogramSample::new(timestamp, NativeHistogram::stale())
    }

    #[test]
    fn a_histogram_beats_a_stale_one_and_greater_bits_beat_lesser() {
        let mut out = Vec::new();
        let a = vec![histogram(1, 1.0), histogram(2, 5.0), stale(3)];
        let b = vec![histogram(0, 9.0), histogram(2, 4.0), histogram(3, 1.0)];
        merge_histograms(a, b, &mut out);
        assert_eq!(out, [histogram(0, 9.0), histogram(1, 1.0), histogram(2, 5.0), histogram(3, 1.0)]);
    }

    #[test]
    fn a_hint_is_about_the_histogram_before_in_the_same_run() {
        let hinted = |timestamp, count, reset_hint| {
            let histogram = FloatHistogram { count, reset_hint, ..FloatHistogram::default() }.into();
            HistogramSample::new(timestamp, histogram)
        };
        let run = |offset: i64| -> Vec<HistogramSample> {
            (0..3).map(|at| hinted(at * 10 + offset, at as f64, ResetHint::NoReset)).collect()
        };
        let hints = |a: Vec<HistogramSample>, b: Vec<HistogramSample>| -> Vec<ResetHint> {
            let mut out = Vec::new();
            merge_histograms(a, b, &mut out);
            out.iter().map(|sample| sample.histogram.to_float().reset_hint).collect()
        };
        assert_eq!(hints(run(0), run(0)), [ResetHint::NoReset; 3]);
        assert_eq!(hints(run(0), vec![]), [ResetHint::NoReset; 3]);
        let interleaved = hints(run(0), run(1));
        assert_eq!((interleaved[0], &interleaved[1..]), (ResetHint::NoReset, &[ResetHint::Unknown; 5][..]));
    }

    #[test]
    fn one_kind_stands_at_a_time() {
        let mut times = vec![1, 2, 3, 4, 6];
        let mut values = vec![1.0, stale_nan(), 3.0, stale_nan(), 6.0];
        let mut histograms =
            vec![histogram(1, 1.0), histogram(2, 1.0), stale(3), stale(4), histogram(5, 1.0)];
        resolve_kinds(&mut times, &mut values, &mut histograms);
        assert_eq!((times, values), (vec![3, 6], vec![3.0, 6.0]));
        assert_eq!(histograms, [histogram(1, 1.0), histogram(2, 1.0), stale(4), histogram(5, 1.0)]);
    }

    #[test]
    fn a_sample_beats_a_stale_marker_and_greater_bits_beat_lesser() {
        let nan = f64::from_bits(0x7ff8_0000_0000_0001);
        for (a, b, wins) in
            [(1.0, stale_nan(), 1.0), (1.0, 2.0, 2.0), (-1.0, 1.0, -1.0), (nan, 1.0, nan), (0.0, -0.0, -0.0)]
        {
            assert_eq!(preferred(a, b).to_bits(), f64::to_bits(wins));
            assert_eq!(preferred(b, a).to_bits(), f64::to_bits(wins));
        }
    }

    #[test]
    fn a_start_timestamp_stays_with_its_value_and_any_beats_none() {
        let nan = stale_nan();
        for (a, b, stands) in [
            ((1.0, NO_START), (1.0, -5), (1.0, -5)),
            ((1.0, 7), (1.0, 8), (1.0, 8)),
            ((1.0, 9), (2.0, NO_START), (2.0, NO_START)),
            ((nan, 9), (1.0, 3), (1.0, 3)),
            ((nan, 9), (nan, NO_START), (nan, 9)),
        ] {
            let bits = |(value, start): (f64, TimestampMs)| (value.to_bits(), start);
            assert_eq!(bits(preferred_started(a, b)), bits(stands));
            assert_eq!(bits(preferred_started(b, a)), bits(stands));
        }
        let started = |count, start| HistogramSample { start, ..histogram(1, count) };
        for (a, b, stands) in [
            (started(1.0, NO_START), started(1.0, 5), started(1.0, 5)),
            (started(1.0, 9), started(2.0, NO_START), started(2.0, NO_START)),
        ] {
            assert_eq!(preferred_histogram(a.clone(), b.clone()), stands);
            assert_eq!(preferred_histogram(b, a), stands);
        }
    }

    #[test]
    fn merging_keeps_each_time_once() {
        let run = |samples: &[(i64, f64)]| -> Vec<Sample> {
            samples.iter().map(|&(timestamp, value)| Sample { timestamp, value }).collect()
        };
        let mut out = Vec::new();
        merge_into(&run(&[(1, 1.0), (3, 3.0)]), &run(&[(2, 2.0), (3, 4.0), (5, 5.0)]), &mut out);
        assert_eq!(out, run(&[(1, 1.0), (2, 2.0), (3, 4.0), (5, 5.0)]));
    }
}
