//! Start timestamps in a frame.

use latewood_model::{StartRun, StartTimestamps, TimestampMs};

use super::frame::ascending;
use super::wire::Starts;

/// The runs; nothing of samples without start timestamps.
pub(super) fn starts_to_wire(starts: &StartTimestamps) -> Option<Starts> {
    let runs = starts.runs();
    let since = differences(runs.iter().map(|run| run.since));
    let starts = differences(runs.iter().map(|run| run.start));
    (!runs.is_empty()).then_some(Starts { since, starts })
}

/// As they were sent; nothing if the columns do not fit each other or times do not ascend.
pub(super) fn starts_from_wire(sent: Option<&Starts>) -> Option<StartTimestamps> {
    let Some(sent) = sent else { return Some(StartTimestamps::none()) };
    if sent.since.len() != sent.starts.len() {
        return None;
    }
    let (since, starts) = (ascending(&sent.since), ascending(&sent.starts));
    let runs = since.iter().zip(starts.iter()).map(|(&since, &start)| StartRun { since, start });
    StartTimestamps::from_runs(runs.collect())
}

fn differences(times: impl Iterator<Item = TimestampMs>) -> Vec<i64> {
    let mut before: TimestampMs = 0;
    let differences = times.map(|time| time.wrapping_sub(std::mem::replace(&mut before, time)));
    differences.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_that_do_not_fit_are_refused() {
        let sent = |since: &[i64], starts: &[i64]| {
            starts_from_wire(Some(&Starts { since: since.into(), starts: starts.into() }))
        };
        assert!(sent(&[1, 2], &[5]).is_none() && sent(&[1, 0], &[5, 5]).is_none());
        assert_eq!(sent(&[1, 2], &[5, -5]).map(|starts| (starts.at(2), starts.at(3))), Some((5, 0)));
    }
}
