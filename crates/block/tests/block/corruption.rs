//! Damaged blocks: an error that names the file, or the right answer; never a panic, never other samples.

use latewood_base::Offload;
use latewood_block::testing::reseal;
use latewood_block::{BlockError, BlockMeta, ReaderConfig, verify};
use latewood_model::{SeriesSamples, TimeRange};
use latewood_objstore::Bucket;

use crate::histograms::{latency, with};
use crate::select::fleet;
use crate::support::{FOLDER, assert_same, bucket_of, files, open, select, tiny, write};

type Files = Vec<(String, Vec<u8>)>;

fn block_files() -> (Vec<SeriesSamples>, Files) {
    let mut all: Vec<SeriesSamples> = fleet().into_iter().step_by(9).collect();
    all.push(with(&[("__name__", "z")], latency(5, 12)));
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), &all, tiny(), &|_| None);
    (all, files(dir.path()))
}

async fn read(bucket: &Bucket) -> Result<Vec<SeriesSamples>, BlockError> {
    let block = open(bucket, ReaderConfig::default()).await?;
    select(&block, vec![], TimeRange::ALL).await
}

/// Reads a damaged block: verify must complain; a reader must complain or, where it did not need the damaged
/// bytes, be right.
async fn check(all: &[SeriesSamples], damaged: &Files, name: &str) {
    let bucket = bucket_of(damaged).await;
    match read(&bucket).await {
        Ok(found) => assert_same(&found, all),
        Err(
            BlockError::Corrupt { .. }
            | BlockError::Missing { .. }
            | BlockError::Version { .. }
            | BlockError::Bucket(_),
        ) => {}
        Err(other) => panic!("{name}: {other}"),
    }
    let report = verify(&bucket, FOLDER, &Offload::new(1)).await.unwrap();
    assert!(!report.is_whole(), "{name}: verify saw nothing");
}

/// A `meta.json` whose checksum matches what it says.
fn sealed(json: serde_json::Value) -> Vec<u8> {
    serde_json::from_value::<BlockMeta>(json).unwrap().to_json().unwrap()
}

#[tokio::test]
async fn a_whole_block_verifies() {
    let (all, files) = block_files();
    let report = verify(&bucket_of(&files).await, FOLDER, &Offload::new(1)).await.unwrap();
    assert!(report.is_whole(), "{report}");
    assert_eq!(report.samples, all.iter().map(|series| series.values.len() as u64).sum::<u64>());
}

#[tokio::test]
async fn flipped_bits_are_noticed() {
    let (all, files) = block_files();
    for (at, (name, body)) in files.iter().enumerate() {
        for step in 0..8 {
            let mut damaged = files.clone();
            let byte = (body.len() - 1) * step / 7;
            damaged[at].1[byte] ^= 1 << (step % 7);
            check(&all, &damaged, name).await;
        }
    }
}

#[tokio::test]
async fn truncated_and_missing_files_are_named() {
    let (all, files) = block_files();
    for (at, (name, body)) in files.iter().enumerate() {
        for length in [0, 1, body.len() / 2, body.len() - 2] {
            let mut damaged = files.clone();
            damaged[at].1.truncate(length);
            check(&all, &damaged, name).await;
        }
        let mut damaged = files.clone();
        damaged.remove(at);
        let bucket = bucket_of(&damaged).await;
        let error = read(&bucket).await.unwrap_err();
        assert!(!matches!(error, BlockError::Corrupt { .. }), "absence is no damage: {error}");
        assert!(error.to_string().contains(name.as_str()), "{name}: {error}");
        check(&all, &damaged, name).await;
    }
}

#[tokio::test]
async fn counts_and_sizes_that_lie_are_refused() {
    let (all, files) = block_files();
    let at = files.iter().position(|(name, _)| name == "meta.json").unwrap();
    let json: serde_json::Value = serde_json::from_slice(&files[at].1).unwrap();
    let lies = [
        ("/series", "2147483646"),
        ("/samples", "18446744073709551615"),
        ("/scrapes", "2147483646"),
        ("/spans", "2147483646"),
        ("/files/0/size", "9223372036854775807"),
        ("/files/1/size", "1"),
        ("/parts/0/rows", "4611686018427387904"),
        ("/parts/0/path", "\"../../other/meta.json\""),
        ("/files/2/path", "\"../x\""),
        ("/version", "5"),
        ("/histograms", "11"),
        ("/histogram_parts/0/rows", "4611686018427387904"),
        ("/version", "0"),
    ];
    for (pointer, lie) in lies {
        let mut lying = json.clone();
        *lying.pointer_mut(pointer).unwrap() = serde_json::from_str(lie).unwrap();
        let mut damaged = files.clone();
        damaged[at].1 = sealed(lying);
        let error = read(&bucket_of(&damaged).await).await.expect_err(pointer);
        assert!(
            matches!(error, BlockError::Corrupt { .. } | BlockError::Version { .. }),
            "{pointer}: {error}"
        );
        check(&all, &damaged, pointer).await;
    }
}

/// Damage below checksums that were made to match again: nothing but the decoders is left to notice.
#[tokio::test]
async fn damage_with_matching_checksums_makes_no_panic() {
    let (_, files) = block_files();
    for (at, (name, body)) in files.iter().enumerate().filter(|(_, file)| file.0.ends_with(".parquet")) {
        for byte in (0..body.len()).step_by(body.len() / 40 + 1) {
            let mut damaged = files.clone();
            damaged[at].1[byte] ^= 0x55;
            reseal(&mut damaged);
            let bucket = bucket_of(&damaged).await;
            if let Err(error) = read(&bucket).await {
                assert!(matches!(error, BlockError::Corrupt { .. }), "{name} byte {byte}: {error}");
            }
            verify(&bucket, FOLDER, &Offload::new(1)).await.unwrap();
        }
    }
}
