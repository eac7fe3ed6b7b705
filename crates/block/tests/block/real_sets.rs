//! Recorded sets: bits and sizes. The folder with them is named by `LATEWOOD_DATA`; without it there is
//! nothing to compare with. Sizes of the large sets: `examples/sizes.rs`.

use std::path::PathBuf;

use latewood_block::{ReaderConfig, RollupColumns, WriterConfig};
use latewood_model::{Resolution, RollupWindows, SeriesRollups, SeriesSamples, TimeRange};

use crate::rollups;
use crate::support::{assert_same, bucket_of, files, open, select, write};

/// The series and what a block of them takes, if there are any to compare with.
async fn bits_and_size(set: &str, limit: f64) -> Option<(Vec<SeriesSamples>, usize)> {
    let Some(folder) = std::env::var_os("LATEWOOD_DATA").map(PathBuf::from) else {
        eprintln!("LATEWOOD_DATA is not set: nothing to compare with");
        return None;
    };
    let all = crate::data_set::load(&folder, set).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let meta = write(dir.path(), &all, WriterConfig::default(), &|_| None);
    let files = files(dir.path());
    let bytes: usize = files.iter().map(|(_, body)| body.len()).sum();
    let cost = bytes as f64 / meta.samples as f64;
    assert!(cost <= limit, "{cost} bytes a sample");
    let block = open(&bucket_of(&files).await, ReaderConfig::default()).await.unwrap();
    assert_same(&select(&block, vec![], TimeRange::ALL).await.unwrap(), &all);
    Some((all, bytes))
}

/// What blocks of the windows of all resolutions take. They come back, too.
async fn size_of_rollups(all: &[SeriesSamples]) -> usize {
    let (mut rollups, mut bytes): (Vec<SeriesRollups>, usize) = (Vec::new(), 0);
    for resolution in [Resolution::FiveMinutes, Resolution::OneHour, Resolution::OneDay] {
        let windows = RollupWindows::of(resolution).unwrap();
        rollups = match rollups.is_empty() {
            true => all.iter().map(|one| SeriesRollups::of(one, windows)).collect(),
            false => rollups.iter().map(|one| one.coarsened(windows)).collect(),
        };
        rollups.retain(|one| !one.is_empty());
        let dir = tempfile::tempdir().unwrap();
        rollups::write(dir.path(), rollups::rollup_header(resolution), &rollups, WriterConfig::default());
        let files = files(dir.path());
        bytes += files.iter().map(|(_, body)| body.len()).sum::<usize>();
        let block = open(&bucket_of(&files).await, ReaderConfig::default()).await.unwrap();
        let found = rollups::select(&block, vec![], TimeRange::ALL, RollupColumns::ALL).await.unwrap();
        rollups::assert_same(&found, &rollups);
    }
    bytes
}

#[tokio::test]
async fn set_r_comes_back_at_two_fifths_of_a_byte() {
    bits_and_size("R", 0.40).await;
}

#[tokio::test]
async fn set_a_comes_back_at_four_fifths_of_a_byte() {
    bits_and_size("A", 0.80).await;
}

#[tokio::test]
async fn set_b_comes_back_at_little_more_than_half_a_byte_and_its_windows_at_half_of_that() {
    if let Some((all, bytes)) = bits_and_size("B", 0.55).await {
        let of_rollups = size_of_rollups(&all).await;
        assert!(of_rollups * 2 <= bytes, "{of_rollups} bytes of {bytes}");
    }
}
