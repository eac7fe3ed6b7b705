//! What a server must answer once some steps are acknowledged.

use std::collections::BTreeMap;

use super::steps::{SERIES, START_MS, start, value};
use crate::harness::Answer;

/// Every step below `acknowledged` is there with its value, once; one more may be there, whole or in part.
pub async fn check(url: &str, acknowledged: i64, when: &str) {
    let end = (START_MS + acknowledged + 1) as f64 / 1000.0;
    let window = format!("steps[{}ms]", acknowledged + 2);
    let answer = Answer::instant(url, &window, end).await.unwrap().with_counts_of_histograms();
    if acknowledged > 0 {
        assert_eq!(answer.0.len() as i64, SERIES, "series {when}");
    }
    for (labels, samples) in &answer.0 {
        let series: i64 = labels["series"].parse().unwrap();
        let expected: BTreeMap<i64, f64> =
            (0..acknowledged).map(|at| (START_MS + at, value(series, at))).collect();
        let mut found = samples.clone();
        if let Some(unacknowledged) = found.remove(&(START_MS + acknowledged)) {
            assert_eq!(unacknowledged, value(series, acknowledged));
        }
        assert_eq!(found, expected, "series {series} {when}");
    }
    let starts = format!("start_timestamp(steps)[{}ms:1ms]", acknowledged + 2);
    for (labels, mut found) in Answer::instant(url, &starts, end - 0.002).await.unwrap().0 {
        let series: i64 = labels["series"].parse().unwrap();
        found.retain(|at, _| *at < START_MS + acknowledged);
        let seconds = |step| start(series, step) as f64 / 1000.0;
        let expected = (0..acknowledged).map(|step| (START_MS + step, seconds(step))).collect();
        assert_eq!(found, expected, "start timestamps of series {series} {when}");
    }
    let counted = Answer::instant(url, &format!("count_over_time({window})"), end).await.unwrap();
    for (labels, count) in counted.0 {
        let count = count.into_values().sum::<f64>() as i64;
        assert!((acknowledged..=acknowledged + 1).contains(&count), "{labels:?} has {count} samples");
    }
}
