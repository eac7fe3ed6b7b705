//! Labels, metadata and cardinality without samples.

use std::collections::BTreeSet;

use latewood_block::{ReaderConfig, WriterConfig};
use latewood_model::{Labels, MatchOp, MetricMetadata, MetricType, SeriesSamples, TimeRange, storage_order};

use crate::select::fleet;
use crate::support::{
    assert_same, block_of, bucket_of, expected, files, matcher, open, select, series, tiny, write,
};

#[tokio::test]
async fn names_and_values_are_those_of_matching_series_in_range() {
    let mut all = fleet();
    all.push(series(&[("__name__", "zz_late"), ("late", "yes")], &[(9_000_000, 1.0)]));
    let block = block_of(&all, tiny(), ReaderConfig::default()).await;
    let early = TimeRange::new(0, 1_000_000);
    let in_b = [matcher(MatchOp::Equal, "zone", "b")];
    assert_eq!(block.label_names(&[], early).await.unwrap(), ["__name__", "instance", "job", "zone"]);
    assert_eq!(
        block.label_names(&[], TimeRange::new(2_000_000, i64::MAX)).await.unwrap(),
        ["__name__", "late"]
    );
    let values = block.label_values("instance", &in_b, early).await.unwrap();
    assert_eq!((values.len(), &*values[1]), (15, "host-04"));
    assert!(block.label_values("late", &[], early).await.unwrap().is_empty());
    assert!(block.label_values("nowhere", &[], TimeRange::ALL).await.unwrap().is_empty());
    let statistics = block.statistics(2).await.unwrap();
    assert_eq!((statistics.series, statistics.label_pairs), (241, 5 + 60 + 1 + 1 + 1));
    assert_eq!(
        (&*statistics.series_by_metric[0].name, statistics.series_by_metric[0].value),
        ("cpu_seconds_total", 60)
    );
    assert_eq!((&*statistics.series_by_pair[0].name, statistics.series_by_pair[0].value), ("job=node", 240));
    assert_eq!((&*statistics.values_by_label[0].name, statistics.values_by_label.len()), ("instance", 2));
    assert!(block.weight() > 1_000);
}

#[tokio::test]
async fn metadata_comes_back_by_metric() {
    let describe = |series: &SeriesSamples| {
        let known =
            series.labels.metric_name() == Some("up") || series.labels.metric_name() == Some("go_info");
        known.then(|| MetricMetadata {
            metric_type: MetricType::Gauge,
            help: format!("help of {}", series.labels.metric_name().unwrap_or_default()),
            unit: String::new(),
        })
    };
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), &fleet(), tiny(), &describe);
    let block = open(&bucket_of(&files(dir.path())).await, ReaderConfig::default()).await.unwrap();
    let all = block.metadata(None).await.unwrap();
    assert_eq!(all.iter().map(|(name, _)| &**name).collect::<Vec<_>>(), ["go_info", "up"]);
    let up = block.metadata(Some("up")).await.unwrap();
    assert_eq!((up.len(), &*up[0].1.help, up[0].1.metric_type), (1, "help of up", MetricType::Gauge));
    assert!(block.metadata(Some("node_load1")).await.unwrap().is_empty());
}

#[tokio::test]
async fn names_that_differ_in_case_and_odd_names_are_kept_apart() {
    let at = [(1, 1.0)];
    let mut all = vec![
        series(&[("__name__", "m"), ("Zone", "A"), ("zone", "a")], &at),
        series(&[("__name__", "m"), ("ZONE", "x"), ("zone", "b")], &at),
        series(&[("__name__", "m"), ("metric", "1"), ("type", "2"), ("labels_rest", "3"), ("a.b", "4")], &at),
        series(&[("__name__", "Ünïcode"), ("ключ", "значение"), ("l_zone", "\n\"'")], &at),
    ];
    all.sort_by(|a, b| storage_order(&a.labels, &b.labels));
    for hot_labels in [256, 2, 0] {
        let config = WriterConfig { hot_labels, ..WriterConfig::default() };
        let block = block_of(&all, config, ReaderConfig::default()).await;
        assert_same(&select(&block, vec![], TimeRange::ALL).await.unwrap(), &all);
        for question in
            [("zone", "a"), ("Zone", "A"), ("ZONE", ""), ("a.b", "4"), ("ключ", "значение"), ("type", "")]
        {
            let question = vec![matcher(MatchOp::Equal, question.0, question.1)];
            let found = select(&block, question.clone(), TimeRange::ALL).await.unwrap();
            assert_same(&found, &expected(&all, &question, TimeRange::ALL));
        }
        let names = block.label_names(&[], TimeRange::ALL).await.unwrap();
        let known: BTreeSet<&str> = all.iter().flat_map(|one| one.labels.iter().map(|pair| pair.0)).collect();
        assert!(names.iter().map(String::as_str).eq(known));
    }
}

#[tokio::test]
async fn a_hundred_thousand_label_names_fit_in_a_block() {
    let name = |n: usize| format!("label_{n:06}");
    let labels =
        |n: usize| Labels::from_pairs([("__name__".to_owned(), "m".to_owned()), (name(n), format!("v{n}"))]);
    let mut all: Vec<SeriesSamples> = (0..100_000)
        .map(|n| SeriesSamples { labels: labels(n), ..series(&[], &[(1, 1.0), (2, n as f64)]) })
        .collect();
    all.sort_by(|a, b| storage_order(&a.labels, &b.labels));
    let block = block_of(&all, WriterConfig::default(), ReaderConfig::default()).await;
    assert_eq!(block.label_names(&[], TimeRange::ALL).await.unwrap().len(), 100_001);
    let question = vec![matcher(MatchOp::NotEqual, &name(77_777), "")];
    let found = select(&block, question, TimeRange::ALL).await.unwrap();
    assert_same(&found, &all[77_777..77_778]);
    assert_eq!(block.label_values(&name(5), &[], TimeRange::ALL).await.unwrap(), ["v5"]);
}
