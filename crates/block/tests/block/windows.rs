//! Blocks whose samples are cut into windows, and parts that leave while a block grows.

use std::sync::Arc;

use latewood_base::Offload;
use latewood_block::{BlockError, BlockHeader, BlockMeta, BlockWriter, ReaderConfig, WriterConfig, verify};
use latewood_model::{SeriesSamples, TimeRange};

use crate::histograms::{latency, with};
use crate::select::fleet;
use crate::starts::counters;
use crate::support::{FOLDER, assert_same, bucket_of, expected, files, header, open, select, series, tiny};

const WINDOW_MS: i64 = 300_000;

fn windowed() -> BlockHeader {
    BlockHeader { window_ms: Some(WINDOW_MS), ..header() }
}

fn mixed() -> Vec<SeriesSamples> {
    let mut all = counters(100);
    all.extend(fleet().into_iter().step_by(3));
    all.push(with(&[("__name__", "z")], latency(5, 60)));
    all.sort_by(|a, b| latewood_model::storage_order(&a.labels, &b.labels));
    all
}

/// Writes a block whose finished parts are taken away after each series; the files, as a bucket gets them.
fn written(all: &[SeriesSamples], header: BlockHeader) -> (BlockMeta, Vec<(String, Vec<u8>)>, usize) {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = BlockWriter::create(dir.path(), header, tiny()).unwrap();
    let mut taken = Vec::new();
    for one in all {
        writer.push(one, None).unwrap();
        for part in writer.take_finished() {
            let body = std::fs::read(&part.local).unwrap();
            assert_eq!((body.len() as u64, crc32c::crc32c(&body)), (part.size, part.crc32c));
            std::fs::remove_file(&part.local).unwrap();
            taken.push((part.path, body));
        }
    }
    let (meta, early) = (writer.finish().unwrap(), taken.len());
    taken.extend(files(dir.path()));
    taken.sort();
    (meta, taken, early)
}

#[tokio::test]
async fn windows_are_read_as_one_and_hold_what_they_say() {
    let all = mixed();
    let (meta, files, early) = written(&all, windowed());
    assert!(early > 10, "{early} parts left before the end");
    let mut windows: Vec<i64> = meta.parts.iter().map(|part| part.window).collect();
    windows.sort_unstable();
    windows.dedup();
    assert_eq!(windows, [-300_000, 0, 300_000, 600_000, 900_000, 1_200_000]);
    for part in meta.parts.iter().chain(&meta.histogram_parts) {
        assert!(part.window < part.range.start && part.range.end <= part.window + WINDOW_MS, "{part:?}");
    }
    assert!(meta.file("samples/w=1970-01-01T00:05:00Z/part-1.parquet").is_some(), "{:?}", meta.files);
    let names: Vec<&str> = files.iter().map(|file| file.0.as_str()).collect();
    let mut named: Vec<&str> = meta.files.iter().map(|file| file.path.as_str()).collect();
    named.push(BlockMeta::FILE);
    named.sort_unstable();
    assert_eq!(names, named, "nothing is left that is no part of the block");
    let bucket = bucket_of(&files).await;
    let report = verify(&bucket, FOLDER, &Offload::new(1)).await.unwrap();
    assert!(report.is_whole(), "{report}");
    let ranges = [
        TimeRange::ALL,
        TimeRange::new(300_000, 300_000),
        TimeRange::new(300_001, 600_000),
        TimeRange::new(1_700_000_000_000, 1_700_000_300_000),
        TimeRange::new(150_000, 750_000),
    ];
    for memory in [1 << 20, 0] {
        let reader = ReaderConfig { scrape_memory: memory, ..ReaderConfig::default() };
        let block = open(&bucket, reader).await.unwrap();
        for range in ranges {
            assert_same(&select(&block, vec![], range).await.unwrap(), &expected(&all, &[], range));
        }
    }
}

/// Only the files of the windows that a range touches are read.
#[tokio::test]
async fn other_windows_are_not_read() {
    let all = mixed();
    let (meta, mut files, _) = written(&all, windowed());
    let range = TimeRange::new(300_001, 600_000);
    let outside = |path: &str| {
        let mut parts = meta.parts.iter().chain(&meta.histogram_parts);
        parts.any(|part| part.path == path && part.window != 300_000)
    };
    files.retain(|(path, _)| !outside(path));
    let block = open(&bucket_of(&files).await, ReaderConfig::default()).await.unwrap();
    assert_same(&select(&block, vec![], range).await.unwrap(), &expected(&all, &[], range));
    assert!(select(&block, vec![], TimeRange::new(300_000, 600_000)).await.is_err());
}

#[tokio::test]
async fn series_scraped_together_share_times_across_windows() {
    let all: Vec<SeriesSamples> = fleet().into_iter().filter(|one| one.timestamps.len() == 60).collect();
    let (_, files, _) = written(&all, windowed());
    let block = open(&bucket_of(&files).await, ReaderConfig::default()).await.unwrap();
    let found = select(&block, vec![], TimeRange::ALL).await.unwrap();
    let same = |one: &&SeriesSamples| Arc::ptr_eq(&one.timestamps, &found[0].timestamps);
    assert!(found.iter().filter(same).count() > 20);
}

#[test]
fn too_many_windows_are_refused() {
    let push = |windows: i64| {
        let dir = tempfile::tempdir().unwrap();
        let header = BlockHeader { window_ms: Some(1_000), ..header() };
        let mut writer = BlockWriter::create(dir.path(), header, WriterConfig::default()).unwrap();
        let samples: Vec<(i64, f64)> = (1..=windows).map(|at| (at * 1_000, 1.0)).collect();
        writer.push(&series(&[("__name__", "m")], &samples), None)?;
        writer.finish()
    };
    assert_eq!(push(64).unwrap().parts.len(), 64);
    assert!(matches!(push(65), Err(BlockError::TooLarge { limit: 64, .. })));
}

#[test]
fn windows_that_make_no_sense_and_samples_outside_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    for millis in [0, -1_000, 1_500, i64::MIN] {
        let header = BlockHeader { window_ms: Some(millis), ..header() };
        let created = BlockWriter::create(dir.path(), header, WriterConfig::default());
        assert!(matches!(created, Err(BlockError::Config(_))));
    }
    let header = BlockHeader { window: Some(TimeRange::new(1, 100)), level: 2, tail: true, ..header() };
    let mut writer = BlockWriter::create(dir.path(), header, WriterConfig::default()).unwrap();
    let push = |writer: &mut BlockWriter, name: &str, at: i64| {
        writer.push(&series(&[("__name__", name)], &[(at, 1.0)]), None)
    };
    push(&mut writer, "a", 1).unwrap();
    push(&mut writer, "b", 100).unwrap();
    assert!(push(&mut writer, "c", 0).unwrap_err().to_string().contains("outside the window"));
    assert!(push(&mut writer, "c", 101).is_err());
    let meta = writer.finish().unwrap();
    let json = String::from_utf8(meta.to_json().unwrap()).unwrap();
    assert!(
        json.contains("\"level\": 2") && json.contains("\"tail\": true") && !json.contains("deduplicated")
    );
    assert_eq!(BlockMeta::from_json(json.as_bytes()).unwrap(), meta);
    assert_eq!(meta.parts[0].path, "samples/w=1970-01-01T00:00:00Z/part-0.parquet");
}

#[tokio::test]
async fn lies_about_windows_are_noticed() {
    let (meta, files, _) = written(&mixed(), windowed());
    let lies: [&dyn Fn(&mut BlockMeta); 7] = [
        &|meta| meta.window_ms = Some(600_000),
        &|meta| meta.window_ms = Some(1),
        &|meta| meta.parts[0].window -= WINDOW_MS,
        &|meta| meta.window = Some(TimeRange::new(0, 1)),
        &|meta| meta.parts[1].range.end -= 1,
        &|meta| meta.parts[2].first_metric = "x".to_owned(),
        &|meta| meta.histogram_parts[0].last_metric.clear(),
    ];
    for (number, lie) in lies.into_iter().enumerate() {
        let mut lying = meta.clone();
        lie(&mut lying);
        let mut files = files.clone();
        files.iter_mut().find(|file| file.0 == BlockMeta::FILE).unwrap().1 = lying.to_json().unwrap();
        let report = verify(&bucket_of(&files).await, FOLDER, &Offload::new(1)).await.unwrap();
        assert!(!report.is_whole(), "lie {number}");
    }
}
