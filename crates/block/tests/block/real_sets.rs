//! Recorded sets: bits and sizes. The folder with them is named by `LATEWOOD_DATA`; without it there is
//! nothing to compare with. Sizes of the large sets: `examples/sizes.rs`.

use std::path::PathBuf;

use latewood_block::{ReaderConfig, WriterConfig};
use latewood_model::TimeRange;

use crate::support::{assert_same, bucket_of, files, open, select, write};

async fn bits_and_size(set: &str, limit: f64) {
    let Some(folder) = std::env::var_os("LATEWOOD_DATA").map(PathBuf::from) else {
        eprintln!("LATEWOOD_DATA is not set: nothing to compare with");
        return;
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
async fn set_b_comes_back_at_little_more_than_half_a_byte() {
    bits_and_size("B", 0.55).await;
}
