//! Whether windows are such as samples give: what readers and `verify` take for granted.

use latewood_model::{
    FloatRollups, HistogramRollup, NativeHistogram, RollupWindows, SeriesRollups, TimestampMs,
};

/// What is wrong with a series' windows, if anything.
pub(super) fn problem_of(series: &SeriesRollups, windows: RollupWindows) -> Option<&'static str> {
    let floats = &series.floats;
    if !is_whole(floats) {
        return Some("it has not as many figures as windows");
    }
    let times = floats.ends.iter().zip(floats.first_at.iter()).zip(floats.last_at.iter());
    let of_floats = times.zip(&floats.counts).find_map(|(((&end, &first_at), &last_at), &count)| {
        problem_of_times(windows, end, (first_at, last_at), count)
    });
    of_floats.or_else(|| series.histograms.iter().find_map(|window| problem_of_histograms(windows, window)))
}

fn is_whole(floats: &FloatRollups) -> bool {
    let values =
        [&floats.sums, &floats.mins, &floats.maxs, &floats.firsts, &floats.lasts, &floats.corrections];
    let others = [floats.counts.len(), floats.first_at.len(), floats.last_at.len(), floats.stale.len()];
    values.iter().map(|column| column.len()).chain(others).all(|length| length == floats.len())
}

/// What is wrong with the end, the times of first and last sample and the count of a window.
pub(crate) fn problem_of_times(
    windows: RollupWindows,
    end: TimestampMs,
    (first_at, last_at): (TimestampMs, TimestampMs),
    count: u64,
) -> Option<&'static str> {
    if !windows.is_end(end) {
        Some("a window ends where none does")
    } else if !windows.contains(end, first_at) || !windows.contains(end, last_at) || first_at > last_at {
        Some("its first or last sample lies outside a window, or one before the other")
    } else if count == 0 || i64::try_from(count).is_err() || (count == 1) != (first_at == last_at) {
        Some("a window has not as many samples as it says")
    } else {
        None
    }
}

fn problem_of_histograms(windows: RollupWindows, window: &HistogramRollup) -> Option<&'static str> {
    let times = (window.first_at, window.last_at);
    let sums = window.sum.iter().chain(&window.correction);
    if [&window.first, &window.last].into_iter().any(NativeHistogram::is_stale)
        || sums.into_iter().any(|sum| sum.is_stale())
    {
        return Some("a window of it has a stale marker for a histogram");
    }
    problem_of_times(windows, window.end, times, window.count)
}
