//! A checkpoint is a shortcut: its loss costs time, as long as the commits are there.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use bytes::Bytes;
use latewood_base::{ErrorKind, Kinded};
use latewood_catalog::CatalogConfig;
use latewood_objstore::Bucket;
use support::{add, memory, process, process_with};

fn checkpoint(version: u64) -> String {
    format!("team-a/catalog/checkpoint/{version:020}")
}

async fn seven_commits() -> Bucket {
    let bucket = memory();
    let config = CatalogConfig { checkpoint_interval: 2, ..CatalogConfig::default() };
    let (catalog, _) = process_with(&bucket, 1, config);
    for number in 1..=7 {
        catalog.commit(add(number)).await.unwrap();
    }
    bucket
}

async fn damage(bucket: &Bucket, version: u64) {
    bucket.put(&checkpoint(version), Bytes::from_static(b"rubbish")).await.unwrap();
}

#[tokio::test]
async fn a_damaged_checkpoint_is_passed_over() {
    let bucket = seven_commits().await;
    let whole = process(&bucket, 2).view().await.unwrap();
    damage(&bucket, 6).await;
    assert_eq!(process(&bucket, 3).view().await.unwrap(), whole, "the one before it");
    damage(&bucket, 4).await;
    damage(&bucket, 2).await;
    assert_eq!(process(&bucket, 4).view().await.unwrap(), whole, "none, and all commits");
}

#[tokio::test]
async fn but_not_where_commits_are_missing() {
    let bucket = seven_commits().await;
    for version in [2, 4, 6] {
        damage(&bucket, version).await;
    }
    for sequence in 1..=7 {
        bucket.delete(&format!("team-a/catalog/{sequence:020}")).await.unwrap();
        let error = process(&bucket, sequence).view().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
        assert!(error.to_string().contains(&checkpoint(6)), "{error}");
    }
}

#[tokio::test]
async fn damage_is_named_though_readers_pass_over_it() {
    let bucket = seven_commits().await;
    assert_eq!(process(&bucket, 2).damage().await, Ok(Vec::new()));
    damage(&bucket, 4).await;
    bucket.put("team-a/catalog/hint", Bytes::from_static(b"rubbish")).await.unwrap();
    bucket.put(&format!("team-a/catalog/{:020}", 2), Bytes::from_static(b"rubbish")).await.unwrap();
    bucket.delete(&format!("team-a/catalog/{:020}", 3)).await.unwrap();
    let catalog = process(&bucket, 3);
    assert_eq!(catalog.view().await.unwrap().version, 7);
    let found: Vec<String> = catalog.damage().await.unwrap().iter().map(ToString::to_string).collect();
    let parts =
        ["00000002", "00000003\" is damaged: it is missing", "checkpoint/00000000000000000004", "hint"];
    assert_eq!(found.len(), parts.len(), "{found:?}");
    found.iter().zip(parts).for_each(|(text, part)| assert!(text.contains(part), "{text}"));
}

#[tokio::test]
async fn leases_are_listed_whoever_holds_them_and_whether_they_can_be_read() {
    let bucket = memory();
    let catalog = process(&bucket, 1);
    let lease = catalog.lease("merge-1", 1_000).await.unwrap().unwrap();
    bucket.put("team-a/lease/odd", Bytes::from_static(b"rubbish")).await.unwrap();
    let leases = process(&bucket, 2).leases().await.unwrap();
    let found: Vec<_> =
        leases.iter().map(|lease| (lease.name.as_str(), lease.holder.is_some(), lease.expires_ms)).collect();
    assert_eq!(found, [("merge-1", true, lease.expires_ms()), ("odd", false, 0)]);
    lease.release().await.unwrap();
    assert_eq!(process(&bucket, 3).leases().await.unwrap().len(), 1);
}
