//! Every value and time comes back bit for bit.

use std::sync::Arc;

use latewood_block::{BlockError, BlockWriter, ReaderConfig, WriterConfig};
use latewood_model::{SeriesSamples, TimeRange, stale_nan};
use proptest::prelude::*;

use crate::support::{assert_same, block_of, header, select, series, tiny};

fn odd_values() -> Vec<SeriesSamples> {
    let nan = f64::from_bits(0x7ff8_0000_0000_0001);
    let payload = f64::from_bits(0xfff0_dead_beef_cafe);
    let times = [i64::MIN, -1, 0, 1, 1_700_000_000_000, i64::MAX];
    let at = |values: [f64; 6]| -> Vec<(i64, f64)> { times.into_iter().zip(values).collect() };
    vec![
        series(&[], &[(5, 1.0)]),
        series(&[("no", "name")], &at([0.0, -0.0, 0.1, stale_nan(), 1e22, 1e-300])),
        series(
            &[("__name__", "inf")],
            &at([f64::INFINITY, f64::NEG_INFINITY, nan, payload, stale_nan(), 0.0]),
        ),
        series(&[("__name__", "only_stale")], &at([stale_nan(); 6])),
        series(
            &[("__name__", "tiny")],
            &at([5e-324, -5e-324, f64::MIN_POSITIVE, f64::MAX, f64::MIN, f64::EPSILON]),
        ),
        series(
            &[("__name__", "whole")],
            &at([9_007_199_254_740_991.0, 9_007_199_254_740_992.0, -9e15, 7.0, 3.0, 0.5]),
        ),
    ]
}

#[tokio::test]
async fn odd_doubles_and_the_ends_of_time_come_back() {
    let all = odd_values();
    for config in [WriterConfig::default(), tiny()] {
        let block = block_of(&all, config, ReaderConfig::default()).await;
        assert_eq!(block.meta().range, TimeRange::ALL);
        assert_same(&select(&block, vec![], TimeRange::ALL).await.unwrap(), &all);
    }
}

#[tokio::test]
async fn an_empty_block_is_a_block() {
    let block = block_of(&[], WriterConfig::default(), ReaderConfig::default()).await;
    assert!(block.meta().range.is_empty() && block.meta().parts.is_empty());
    assert!(select(&block, vec![], TimeRange::ALL).await.unwrap().is_empty());
    assert!(block.label_names(&[], TimeRange::ALL).await.unwrap().is_empty());
}

#[tokio::test]
async fn series_scraped_together_share_their_times() {
    let times: Arc<[i64]> = (0..500).map(|scrape| scrape * 15_000).collect();
    let all: Vec<SeriesSamples> = ["a", "b", "c"]
        .map(|name| SeriesSamples {
            timestamps: Arc::clone(&times),
            values: (0..500).map(f64::from).collect(),
            ..series(&[("__name__", name)], &[])
        })
        .into();
    let block = block_of(&all, tiny(), ReaderConfig::default()).await;
    assert_eq!(block.meta().scrapes, 500);
    let found = select(&block, vec![], TimeRange::new(30_000, 600_000)).await.unwrap();
    assert_eq!(found[0].timestamps.len(), 39);
    assert!(Arc::ptr_eq(&found[0].timestamps, &found[2].timestamps));
}

#[tokio::test]
async fn series_with_a_part_of_the_scrapes_refer_to_them() {
    let step = |scrape: i64| (scrape * 15_000, scrape as f64);
    let all = [
        series(&[("__name__", "all")], &(0..300).map(step).collect::<Vec<_>>()),
        series(&[("__name__", "gaps")], &(0..300).filter(|s| s % 7 != 3).map(step).collect::<Vec<_>>()),
        series(&[("__name__", "late")], &(250..300).map(step).collect::<Vec<_>>()),
        series(&[("__name__", "other")], &[(7, 1.0), (9, 2.0)]),
    ];
    for memory in [1 << 20, 0] {
        let reader = ReaderConfig { scrape_memory: memory, ..ReaderConfig::default() };
        let block = block_of(&all, tiny(), reader).await;
        assert_eq!(block.meta().scrapes, 302);
        assert_same(&select(&block, vec![], TimeRange::ALL).await.unwrap(), &all);
    }
}

#[tokio::test]
async fn forgotten_groups_cost_rows_and_not_correctness() {
    let own_times = |n: i64| (0..40).map(|at| (at * 1_000 + n, n as f64)).collect::<Vec<_>>();
    let named = |n: i64| series(&[("__name__", "m"), ("n", &format!("{n:03}"))], &own_times(n % 50));
    let all: Vec<SeriesSamples> = (0..200).map(named).collect();
    let config = WriterConfig { scrape_memory: 100, ..tiny() };
    let block = block_of(&all, config, ReaderConfig::default()).await;
    assert!(block.meta().scrapes > 50 * 40);
    assert_same(&select(&block, vec![], TimeRange::ALL).await.unwrap(), &all);
    let block = block_of(&all, tiny(), ReaderConfig::default()).await;
    assert_eq!(block.meta().scrapes, 50 * 40);
}

#[test]
fn input_out_of_order_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = BlockWriter::create(dir.path(), header(), WriterConfig::default()).unwrap();
    writer.push(&series(&[("__name__", "b")], &[(1, 1.0), (2, 1.0)]), None).unwrap();
    let mut refused = |one: &SeriesSamples| match writer.push(one, None) {
        Err(BlockError::Order { problem, .. }) => problem,
        other => panic!("{other:?}"),
    };
    assert!(refused(&series(&[("__name__", "a")], &[(1, 1.0)])).contains("storage order"));
    assert!(refused(&series(&[("__name__", "b")], &[(1, 1.0)])).contains("storage order"));
    assert!(refused(&series(&[("__name__", "c")], &[(1, 1.0), (1, 2.0)])).contains("ascend"));
    let uneven = SeriesSamples { values: vec![], ..series(&[("__name__", "c")], &[(1, 1.0)]) };
    assert!(refused(&uneven).contains("as many"));
    assert!(BlockWriter::create(dir.path(), header(), WriterConfig::default()).is_err());
}

fn any_value() -> impl Strategy<Value = f64> {
    prop_oneof![
        any::<u64>().prop_map(f64::from_bits),
        (-1_000_000i64..1_000_000).prop_map(|cents| cents as f64 / 100.0),
        (0i64..1 << 40).prop_map(|pages| pages as f64 * 4096.0),
        Just(stale_nan()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_samples_come_back(
        values in prop::collection::vec(prop::collection::vec((1i64..1 << 40, any_value()), 1..60), 1..12),
    ) {
        let all: Vec<SeriesSamples> = values.iter().enumerate().map(|(n, samples)| {
            let mut at = i64::MIN / 2;
            let samples: Vec<(i64, f64)> = samples.iter().map(|&(step, value)| { at += step; (at, value) }).collect();
            series(&[("__name__", "m"), ("n", &format!("{n:02}"))], &samples)
        }).collect();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let block = block_of(&all, tiny(), ReaderConfig::default()).await;
            assert_same(&select(&block, vec![], TimeRange::ALL).await.unwrap(), &all);
        });
    }
}
