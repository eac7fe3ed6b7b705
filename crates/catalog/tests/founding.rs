//! A cluster is founded once in a bucket, whatever the bucket does to replies.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::path::PathBuf;
use std::sync::Arc;

use futures::future::join_all;
use latewood_base::{Clock, Ids, Rng};
use latewood_catalog::{CatalogConfig, CatalogError, Catalogs, ClusterRecord, Founder};
use latewood_objstore::Bucket;
use latewood_testkit::{Chances, FaultyBucket};
use support::{START_MS, id, memory};

const KEY: &str = "__latewood__/cluster";

fn catalogs(bucket: &Bucket) -> Arc<Catalogs> {
    let clock = Clock::manual(START_MS).0;
    let ids = Ids::new(clock.clone(), Rng::seeded(7));
    let config = CatalogConfig { retry_initial_ms: 1, ..CatalogConfig::default() };
    Catalogs::new(Arc::clone(bucket), clock, ids, config)
}

fn record(number: u128) -> ClusterRecord {
    let founder = |node: u64, zone: &str| Founder {
        node,
        address: format!("ingester-{}.ingesters:9095", node % 16),
        zone: zone.to_owned(),
    };
    ClusterRecord {
        cluster: id(number),
        replication_factor: 3,
        shards: vec![1024, 1025],
        founders: vec![founder(1, "a"), founder(0xfedc_ba98_7654_3210, "")],
        at_ms: START_MS,
    }
}

#[tokio::test]
async fn of_many_founders_one_has_founded_it_and_all_know_which() {
    for seed in 0..8 {
        let chances = Chances { before: 0.3, after: 0.3, read_factor: 0.5 };
        let faulty = FaultyBucket::seeded(memory(), seed, chances);
        let bucket: Bucket = faulty.clone();
        let founding = (1..6).map(|number| {
            let catalogs = catalogs(&bucket);
            async move { catalogs.found_cluster(&record(number)).await.unwrap() }
        });
        let founded = join_all(founding).await;
        assert!(faulty.struck() > 0);
        let clusters: Vec<_> = founded.iter().map(|record| record.cluster).collect();
        assert!(clusters.iter().all(|cluster| *cluster == clusters[0]), "seed {seed}: {clusters:?}");
        assert_eq!(catalogs(&bucket).found_cluster(&record(9)).await.unwrap().cluster, clusters[0]);
    }
}

#[tokio::test]
async fn a_record_that_cannot_be_read_is_not_replaced() {
    let bucket = memory();
    assert_eq!(catalogs(&bucket).cluster().await, Ok(None));
    bucket.put(KEY, "{}".into()).await.unwrap();
    let corrupt = |error| matches!(error, CatalogError::Corrupt { .. });
    assert!(corrupt(catalogs(&bucket).cluster().await.unwrap_err()));
    assert!(corrupt(catalogs(&bucket).found_cluster(&record(1)).await.unwrap_err()));
    assert_eq!(&bucket.get(KEY, 100).await.unwrap()[..], b"{}");
}

/// `LATEWOOD_WRITE_GOLDEN=1` writes the file anew after a deliberate change of format.
#[tokio::test]
async fn the_newest_version_is_written_bit_for_bit_and_version_1_is_read() {
    let bucket = memory();
    catalogs(&bucket).found_cluster(&record(1)).await.unwrap();
    let written = bucket.get(KEY, 1 << 20).await.unwrap();
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/v1-cluster.txt");
    if std::env::var("LATEWOOD_WRITE_GOLDEN").is_ok() {
        std::fs::write(&path, &written).unwrap();
    }
    let golden = std::fs::read(&path).unwrap();
    assert_eq!(String::from_utf8_lossy(&written), String::from_utf8_lossy(&golden));
    let old = memory();
    old.put(KEY, golden.into()).await.unwrap();
    assert_eq!(catalogs(&old).cluster().await, Ok(Some(record(1))));
}

#[test]
fn a_node_is_16_hexadecimal_digits_and_nothing_else() {
    let founder = |node: &str| format!(r#"{{"node":"{node}","address":"a:1","zone":""}}"#);
    let read = |node: &str| serde_json::from_str::<Founder>(&founder(node)).map(|founder| founder.node).ok();
    assert_eq!(read("00000000000000ff"), Some(255));
    for wrong in ["ff", "+0000000000000ff", "000000000000000000ff", ""] {
        assert_eq!(read(wrong), None, "{wrong}");
    }
}
