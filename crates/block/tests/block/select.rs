//! Selects give what a naive scan gives, in bounded batches and few reads.

use std::sync::Arc;
use std::time::Duration;

use futures::TryStreamExt;
use latewood_base::{Offload, Rng};
use latewood_block::{Block, DecodedPages, ReaderConfig, SelectSpec};
use latewood_model::{MatchOp, Matcher, SeriesSamples, TimeRange};
use latewood_objstore::{Bucket, DirectoryBucket};

use crate::support::{
    FOLDER, assert_same, block_of, bucket_of, expected, files, matcher, select, series, tiny, write,
};

/// 240 series of 4 metrics with 60 samples each; half of a pair shares its times, one in five has gaps.
pub fn fleet() -> Vec<SeriesSamples> {
    let mut all = Vec::new();
    for metric in ["cpu_seconds_total", "go_info", "node_load1", "up"] {
        for instance in 0..60i64 {
            let samples = (0..60i64).filter(|at| instance % 5 != 0 || at % 6 != 1);
            let jitter = instance % 3;
            let samples: Vec<(i64, f64)> =
                samples.map(|at| (at * 15_000 + jitter, (at * instance) as f64 / 10.0)).collect();
            let name = format!("host-{instance:02}");
            let mut labels = vec![("__name__", metric), ("instance", &*name), ("job", "node")];
            if instance % 4 == 0 {
                labels.push(("zone", "b"));
            }
            all.push(series(&labels, &samples));
        }
    }
    all
}

fn questions() -> Vec<Vec<Matcher>> {
    use MatchOp::{Equal, NotEqual, NotRegex, Regex};
    vec![
        vec![],
        vec![matcher(Equal, "__name__", "up")],
        vec![matcher(Equal, "instance", "host-07")],
        vec![matcher(Regex, "__name__", "u.|go_info"), matcher(NotEqual, "zone", "b")],
        vec![matcher(Equal, "zone", ""), matcher(Regex, "instance", ".*[0-3]")],
        vec![matcher(NotRegex, "instance", "host-[0-4].*"), matcher(Equal, "job", "node")],
        vec![matcher(Equal, "nowhere", ""), matcher(NotEqual, "__name__", "")],
        vec![matcher(Equal, "__name__", "missing")],
        vec![matcher(NotEqual, "nowhere", "")],
    ]
}

#[tokio::test]
async fn selects_give_what_a_scan_gives() {
    let all = fleet();
    let ranges = [
        TimeRange::ALL,
        TimeRange::new(0, 0),
        TimeRange::new(150_001, 450_000),
        TimeRange::new(885_000, i64::MAX),
        TimeRange::new(10_000_000, i64::MAX),
        TimeRange::EMPTY,
    ];
    let small = ReaderConfig {
        batch_samples: 500,
        batch_series: 7,
        batch_pages: 3,
        fetch_bytes: 1,
        ..ReaderConfig::default()
    };
    // Rounds of some batches, of which neighbours share pages.
    let paged = ReaderConfig { scrape_memory: 0, fetch_bytes: 2_000, fetch_ahead: 3, ..small.clone() };
    for reader in [ReaderConfig::default(), small, paged] {
        let block = block_of(&all, tiny(), reader).await;
        assert!(block.meta().parts.len() > 3, "{:?}", block.meta().parts.len());
        for matchers in questions() {
            for range in ranges {
                let found = select(&block, matchers.clone(), range).await.unwrap();
                assert_same(&found, &expected(&all, &matchers, range));
            }
        }
    }
}

#[tokio::test]
async fn decoded_pages_are_read_once() {
    let all = fleet();
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), &all, tiny(), &|_| None);
    let bucket = bucket_of(&files(dir.path())).await;
    let up = || vec![matcher(MatchOp::Equal, "__name__", "up")];
    for (bytes, is_kept) in [(1 << 20, true), (0, false)] {
        let pages = DecodedPages::new(bytes);
        let (reader, offload) = (ReaderConfig::default(), Offload::new(2));
        let block =
            Block::open_with_tables(Arc::clone(&bucket), FOLDER, offload, reader, &pages).await.unwrap();
        let first = select(&block, up(), TimeRange::ALL).await.unwrap();
        let part = format!("{FOLDER}/{}", block.meta().parts.last().unwrap().path);
        let body = bucket.get(&part, u64::MAX).await.unwrap();
        bucket.delete(&part).await.unwrap();
        let again = select(&block, up(), TimeRange::new(0, 300_000)).await;
        match again {
            Ok(again) => assert_same(&again, &expected(&first, &[], TimeRange::new(0, 300_000))),
            Err(_) => assert!(!is_kept),
        }
        let (requests, hits) = pages.counts();
        assert_eq!((hits > 0, requests > hits), (is_kept, is_kept));
        bucket.put(&part, body).await.unwrap();
    }
}

#[tokio::test]
async fn batches_are_bounded() {
    let all = fleet();
    let reader = ReaderConfig { batch_samples: 300, ..ReaderConfig::default() };
    let block = block_of(&all, tiny(), reader).await;
    let spec =
        SelectSpec { matchers: vec![], range: TimeRange::ALL, skip_samples: false, skip_starts: false };
    let batches: Vec<Vec<SeriesSamples>> = block.select(spec).try_collect().await.unwrap();
    let sizes = batches.iter().map(|batch| batch.iter().map(|series| series.values.len()).sum::<usize>());
    assert!(sizes.into_iter().all(|size| size <= 300 && size > 200));
}

#[tokio::test]
async fn a_stream_that_is_left_alone_keeps_no_other_waiting() {
    let all = fleet();
    let dir = tempfile::tempdir().unwrap();
    write(&dir.path().join(FOLDER), &all, tiny(), &|_| None);
    // Reads take a while there.
    let bucket: Bucket = Arc::new(DirectoryBucket::open(dir.path(), Rng::seeded(1)).await.unwrap());
    let reader = ReaderConfig { batch_series: 9, fetch_bytes: 1, ..ReaderConfig::default() };
    // One lane for all, which each wants again and again.
    let block = Block::open(bucket, FOLDER, Offload::new(1), reader).await.unwrap();
    let spec =
        SelectSpec { matchers: vec![], range: TimeRange::ALL, skip_samples: false, skip_starts: false };
    let mut streams: Vec<_> = (0..8).map(|_| block.select(spec.clone())).collect();
    let firsts = futures::future::join_all(streams.iter_mut().map(|stream| stream.try_next()));
    let in_time = |what| tokio::time::timeout(Duration::from_secs(60), what);
    let firsts = tokio::time::timeout(Duration::from_secs(60), firsts).await.expect("one waits for itself");
    for (first, rest) in firsts.into_iter().zip(&mut streams) {
        let rest = in_time(rest.try_collect::<Vec<_>>()).await.expect("another stream has the lane");
        let found: Vec<SeriesSamples> = first.unwrap().into_iter().chain(rest.unwrap()).flatten().collect();
        assert_same(&found, &expected(&all, &[], TimeRange::ALL));
    }
}

#[tokio::test]
async fn labels_alone_come_without_samples() {
    let all = fleet();
    let block = block_of(&all, tiny(), ReaderConfig::default()).await;
    let spec = SelectSpec {
        matchers: vec![matcher(MatchOp::Equal, "zone", "b")],
        range: TimeRange::new(0, 1_000),
        skip_samples: true,
        skip_starts: true,
    };
    let batches: Vec<Vec<SeriesSamples>> = block.select(spec).try_collect().await.unwrap();
    let found: Vec<_> = batches.into_iter().flatten().collect();
    assert!(found.iter().all(|series| series.values.is_empty() && series.timestamps.is_empty()));
    let labels = all.iter().map(|series| &series.labels).filter(|labels| labels.get("zone").is_some());
    assert!(found.iter().map(|series| &series.labels).eq(labels));
}
