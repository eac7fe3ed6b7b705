//! A block as Prometheus wrote it.

use latewood_model::histogram::ResetHint;
use latewood_model::{Labels, is_stale, storage_order};
use latewood_tsdb::TsdbBlock;

use crate::{answers, golden, read};

#[test]
fn all_that_prometheus_answered_is_read() {
    let answered = answers::parse(&std::fs::read_to_string(golden("answer.json")).unwrap());
    let series = read(&golden("block"), &Labels::empty()).unwrap();
    assert!(series.is_sorted_by(|a, b| storage_order(&a.labels, &b.labels).is_lt()));
    let names: Vec<String> = series.iter().map(|series| series.labels.to_string()).collect();
    assert_eq!(
        names,
        [
            r#"{__name__="a_first", job="a"}"#,
            r#"{__name__="native", kind="counter"}"#,
            r#"{__name__="native", kind="custom"}"#,
            r#"{__name__="native", kind="gauge"}"#,
            r#"{__name__="requests"}"#,
            r#"{__name__="requests", path="/ü \"\\\n"}"#,
            r#"{__name__="up", job="a"}"#,
        ],
        "all samples of one were deleted"
    );
    let lines = answers::lines(&series);
    for (ours, theirs) in lines.iter().zip(&answered) {
        assert_eq!(ours, theirs);
    }
    assert_eq!(lines.len(), answered.len());
}

#[test]
fn stale_markers_and_hints_are_kept() {
    let series = read(&golden("block"), &Labels::empty()).unwrap();
    let stale = series.iter().flat_map(|series| &series.values).filter(|value| is_stale(**value)).count();
    assert_eq!(stale, 6, "of floats");
    let of = |kind| series.iter().find(|series| series.labels.get("kind") == Some(kind)).unwrap();
    let hints = |kind| -> Vec<ResetHint> {
        of(kind).histograms.iter().map(|sample| sample.histogram.to_float().reset_hint).collect()
    };
    // The last one is stale, and says nothing.
    assert!(hints("gauge").split_last().unwrap().1.iter().all(|hint| *hint == ResetHint::Gauge));
    let counter = hints("counter");
    let unknown: Vec<usize> = (0..counter.len()).filter(|&at| counter[at] == ResetHint::Unknown).collect();
    // The first, the first after three that were deleted, that after a reset at the 15th, and the stale one.
    assert_eq!(unknown, [0, 9, 12, 17], "of {counter:?}");
    assert!(of("custom").histograms.last().unwrap().histogram.is_stale());
}

#[test]
fn external_labels_take_the_place_of_those_of_a_series() {
    let external = Labels::from_pairs([("job", "b"), ("zone", "eu"), ("__name__", "other")]);
    let series = read(&golden("block"), &external).unwrap();
    assert!(series.iter().all(|series| series.labels.get("job") == Some("b")));
    assert!(series.iter().all(|series| series.labels.get("zone") == Some("eu")));
    assert_eq!(series.len(), 7);
    assert!(series.is_sorted_by(|a, b| storage_order(&a.labels, &b.labels).is_lt()));
}

#[test]
fn series_that_external_labels_make_equal_are_merged() {
    let alone = read(&golden("block"), &Labels::empty()).unwrap();
    let series = read(&golden("block"), &Labels::from_pairs([("kind", "any"), ("path", "/")])).unwrap();
    let names: Vec<_> = series.iter().filter_map(|series| series.labels.metric_name()).collect();
    assert_eq!(names, ["a_first", "native", "requests", "up"]);
    // Three gauges, customs and counters at each time: one stands.
    assert_eq!(series[1].histograms.len(), alone[1].histograms.len());
    assert!(series[2].values.len() > alone[4].values.len());
}

#[test]
fn the_block_says_what_it_is() {
    let block = TsdbBlock::open(&golden("block")).unwrap();
    let meta = block.meta();
    assert_eq!((meta.series, meta.level, meta.resolution_ms), (8, 1, 0));
    assert!(meta.min_time <= 1_700_000_000_000 && meta.max_time > 1_700_000_300_000);
    assert!(meta.external_labels.is_empty());
}
