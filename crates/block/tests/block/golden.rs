//! The committed block of each version is read, and the newest is written bit for bit.
//!
//! After a deliberate change of what is written (an encoder's new version counts), run with
//! `LATEWOOD_WRITE_GOLDEN=1` and say so in the commit.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use latewood_base::Offload;
use latewood_block::{
    BlockHeader, BlockWriter, ReaderConfig, RollupColumns, WriterConfig, inspect, verify, views,
};
use latewood_model::{
    MetricMetadata, MetricType, Resolution, SeriesRollups, SeriesSamples, TimeRange, stale_nan, storage_order,
};

use crate::histograms::{latency, odd_histograms, with};
use crate::rollups::{self, five_minutes, rollup_header};
use crate::support::{FOLDER, assert_same, bucket_of, files, header, open, select, series};

fn golden(version: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(version)
}

/// A block of samples of the newest version, cut into windows.
fn newest() -> PathBuf {
    golden("v4")
}

/// A block of windows of the newest version.
fn newest_rollups() -> PathBuf {
    golden("v4-5m")
}

fn windowed() -> BlockHeader {
    BlockHeader { window_ms: Some(60_000), level: 1, deduplicated: true, ..header() }
}

fn write_samples(dir: &Path) {
    let mut writer = BlockWriter::create(dir, windowed(), WriterConfig::default()).unwrap();
    for one in content() {
        writer.push(&one, describe(&one).as_ref()).unwrap();
    }
    writer.finish().unwrap();
}

fn write_rollups(dir: &Path) {
    rollups::write(dir, rollup_header(Resolution::FiveMinutes), &windows(), WriterConfig::default());
}

/// The windows of what the third version could hold, with a reset, values that others tell and values that none does.
fn windows() -> Vec<SeriesRollups> {
    let mut all = content();
    let start = 1_700_000_000_000;
    let counted: Vec<(i64, f64)> = (0..80).map(|at| (start + at * 15_000, (at % 30 * 7) as f64)).collect();
    all.push(series(&[("__name__", "requests_total"), ("job", "x")], &counted));
    all.push(with(&[("__name__", "restarted"), ("job", "x")], rollups::restarted_latency()));
    all.sort_by(|a, b| storage_order(&a.labels, &b.labels));
    let windows = all.iter().map(|one| SeriesRollups::of(one, five_minutes()));
    windows.filter(|one| !one.is_empty()).collect()
}

/// What the second version could hold, and start timestamps: none, one, and others.
fn content() -> Vec<SeriesSamples> {
    let mut all = second();
    let start = 1_699_999_000_000;
    let restarted = |at: i64| if at < 1_700_000_120_000 { start } else { 1_700_000_100_000 };
    for one in &mut all {
        match one.labels.metric_name() {
            Some("bytes") => one.starts = one.timestamps.iter().map(|&at| (at, start)).collect(),
            Some("temp") => one.starts = one.timestamps.iter().map(|&at| (at, restarted(at))).collect(),
            Some("up") => one.starts = one.timestamps.iter().skip(10).map(|&at| (at, at - 1)).collect(),
            Some("latency") => {
                one.histograms.iter_mut().for_each(|sample| sample.start = restarted(sample.timestamp));
            }
            Some("mixed") => one.histograms.iter_mut().for_each(|sample| sample.start = -1),
            _ => {}
        }
    }
    all
}

/// What the first version could hold, with native histograms between.
fn second() -> Vec<SeriesSamples> {
    let mut all = floats();
    all.insert(1, odd_histograms().remove(2));
    all.insert(1, with(&[("__name__", "latency"), ("job", "x")], latency(7, 8)));
    all
}

fn floats() -> Vec<SeriesSamples> {
    let start = 1_700_000_000_000;
    let times: Arc<[i64]> = (0..20).map(|at| start + at * 15_000).collect();
    let scraped = |labels: &[(&str, &str)], value: &dyn Fn(i32) -> f64| SeriesSamples {
        timestamps: Arc::clone(&times),
        values: (0..20).map(value).collect(),
        ..series(labels, &[])
    };
    let ended = |at: i32| {
        if at == 19 { stale_nan() } else { f64::from(at) * 0.25 }
    };
    let third = |at: i32| f64::from(at) / 3.0;
    let mut gaps = scraped(&[("__name__", "temp"), ("job", "x")], &|at| f64::from(at) - 7.5);
    gaps.timestamps = times.iter().copied().filter(|at| at % 60_000 != 35_000).collect();
    gaps.values.truncate(gaps.timestamps.len());
    vec![
        scraped(&[("__name__", "bytes"), ("job", "x"), ("path", "a'\"b")], &|at| f64::from(at * 4096)),
        scraped(&[("__name__", "ratio"), ("Job", "y"), ("job", "x")], &third),
        gaps,
        scraped(&[("__name__", "up"), ("job", "x")], &ended),
    ]
}

fn describe(series: &SeriesSamples) -> Option<MetricMetadata> {
    (series.labels.metric_name() == Some("bytes")).then(|| MetricMetadata {
        metric_type: MetricType::Counter,
        help: "Bytes read.".to_owned(),
        unit: "bytes".to_owned(),
    })
}

#[test]
fn the_newest_version_is_written_bit_for_bit() {
    type Golden = (fn(&Path), PathBuf);
    let blocks: [Golden; 2] = [(write_samples, newest()), (write_rollups, newest_rollups())];
    for (write, golden) in blocks {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path());
        if std::env::var_os("LATEWOOD_WRITE_GOLDEN").is_some() {
            let _ = std::fs::remove_dir_all(&golden);
            write(&golden);
        }
        let (written, golden) = (files(dir.path()), files(&golden));
        let names = |files: &[(String, Vec<u8>)]| files.iter().map(|file| file.0.clone()).collect::<Vec<_>>();
        assert_eq!(names(&written), names(&golden));
        for (written, golden) in written.iter().zip(&golden) {
            assert!(written.1 == golden.1, "{} differs", written.0);
        }
    }
}

#[tokio::test]
async fn the_first_version_is_read() {
    let bucket = bucket_of(&files(&golden("v1"))).await;
    let block = open(&bucket, ReaderConfig::default()).await.unwrap();
    assert_same(&select(&block, vec![], TimeRange::ALL).await.unwrap(), &floats());
    assert!(verify(&bucket, FOLDER, &Offload::new(1)).await.unwrap().is_whole());
}

#[tokio::test]
async fn the_second_version_is_read() {
    let bucket = bucket_of(&files(&golden("v2"))).await;
    let block = open(&bucket, ReaderConfig::default()).await.unwrap();
    assert_same(&select(&block, vec![], TimeRange::ALL).await.unwrap(), &second());
    assert!(verify(&bucket, FOLDER, &Offload::new(1)).await.unwrap().is_whole());
    assert!(views(&golden("v2")).unwrap().contains("NULL::BIGINT AS start_ts"));
}

#[tokio::test]
async fn the_third_version_is_read() {
    let bucket = bucket_of(&files(&golden("v3"))).await;
    let block = open(&bucket, ReaderConfig::default()).await.unwrap();
    assert_same(&select(&block, vec![], TimeRange::ALL).await.unwrap(), &content());
    assert!(verify(&bucket, FOLDER, &Offload::new(1)).await.unwrap().is_whole());
}

#[tokio::test]
async fn the_golden_block_is_read() {
    let bucket = bucket_of(&files(&newest())).await;
    let block = open(&bucket, ReaderConfig::default()).await.unwrap();
    assert_same(&select(&block, vec![], TimeRange::ALL).await.unwrap(), &content());
    let metadata = block.metadata(Some("bytes")).await.unwrap();
    assert_eq!(Some(&metadata[0].1), describe(&content()[0]).as_ref());
    assert!(verify(&bucket, FOLDER, &Offload::new(1)).await.unwrap().is_whole());
}

#[tokio::test]
async fn the_golden_windows_are_read() {
    let bucket = bucket_of(&files(&newest_rollups())).await;
    let block = open(&bucket, ReaderConfig::default()).await.unwrap();
    let found = rollups::select(&block, vec![], TimeRange::ALL, RollupColumns::ALL).await.unwrap();
    rollups::assert_same(&found, &windows());
    assert!(verify(&bucket, FOLDER, &Offload::new(1)).await.unwrap().is_whole());
}

#[tokio::test]
async fn people_are_told_what_is_in_it() {
    let report = inspect(&bucket_of(&files(&newest())).await, FOLDER).await.unwrap();
    for line in [
        "cut into     windows of 60 s",
        "level        1",
        "state        deduplicated",
        "tenant       anonymous",
        "samples      75",
        "histograms   15",
        "  vi\n",
        "l_job\n",
    ] {
        assert!(report.contains(line), "{line} is not in\n{report}");
    }
    let sql = views(&newest()).unwrap();
    assert!(
        sql.contains("VIEW samples AS")
            && sql.contains("VIEW histograms AS")
            && sql.contains("'k': 'job', 'v': \"l_job\""),
        "{sql}"
    );
    let report = inspect(&bucket_of(&files(&newest_rollups())).await, FOLDER).await.unwrap();
    for line in ["resolution   5m", "cut into     one window", "rows ", "  correction_vi\n", "  is_stale\n"] {
        assert!(report.contains(line), "{line} is not in\n{report}");
    }
    let sql = views(&newest_rollups()).unwrap();
    assert!(sql.contains("VIEW rollups AS") && sql.contains("VIEW histogram_rollups AS"), "{sql}");
}
