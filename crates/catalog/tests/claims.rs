//! Shard numbers: never given twice, whatever the bucket does to replies.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use futures::future::join_all;
use latewood_base::{Clock, Ids, Rng};
use latewood_catalog::{CatalogConfig, Catalogs, FIRST_CLAIMED_SHARD};
use latewood_objstore::Bucket;
use latewood_testkit::{Chances, FaultyBucket};
use support::{START_MS, id, memory};

fn catalogs(bucket: &Bucket) -> Arc<Catalogs> {
    let clock = Clock::manual(START_MS).0;
    let ids = Ids::new(clock.clone(), Rng::seeded(7));
    let config = CatalogConfig { retry_initial_ms: 1, ..CatalogConfig::default() };
    Catalogs::new(Arc::clone(bucket), clock, ids, config)
}

#[tokio::test]
async fn no_number_is_given_twice() {
    let (bucket, first) = (memory(), FIRST_CLAIMED_SHARD);
    assert_eq!(catalogs(&bucket).claim_shards(id(1), 3).await.unwrap(), [first, first + 1, first + 2]);
    let claims = (2..10).map(|journal| {
        let catalogs = catalogs(&bucket);
        async move { catalogs.claim_shards(id(journal), 4).await.unwrap() }
    });
    let claimed: Vec<u32> = join_all(claims).await.into_iter().flatten().collect();
    let distinct: BTreeSet<u32> = claimed.iter().copied().collect();
    assert_eq!((claimed.len(), distinct.len()), (32, 32));
    assert!(distinct.iter().all(|shard| *shard > first + 2));
}

#[tokio::test]
async fn requests_and_replies_may_be_lost() {
    for seed in 0..8 {
        let chances = Chances { before: 0.3, after: 0.3, read_factor: 0.5 };
        let faulty = FaultyBucket::seeded(memory(), seed, chances);
        let bucket: Bucket = faulty.clone();
        let one = catalogs(&bucket).claim_shards(id(1), 4).await.unwrap();
        let two = catalogs(&bucket).claim_shards(id(2), 4).await.unwrap();
        assert!(faulty.struck() > 0);
        assert_eq!((one.len(), two.len()), (4, 4));
        assert!(one.iter().max() < two.iter().min(), "{one:?} {two:?}");
    }
}

/// `LATEWOOD_WRITE_GOLDEN=1` writes the file anew after a deliberate change of format.
#[tokio::test]
async fn the_newest_version_is_written_bit_for_bit_and_version_1_is_read() {
    let bucket = memory();
    catalogs(&bucket).claim_shards(id(1), 1).await.unwrap();
    let key = format!("__latewood__/shards/{FIRST_CLAIMED_SHARD:020}");
    let written = bucket.get(&key, 1 << 20).await.unwrap();
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/v1-shard.txt");
    if std::env::var("LATEWOOD_WRITE_GOLDEN").is_ok() {
        std::fs::write(&path, &written).unwrap();
    }
    let golden = std::fs::read(&path).unwrap();
    assert_eq!(String::from_utf8_lossy(&written), String::from_utf8_lossy(&golden));
    assert_eq!(catalogs(&bucket).claimant(FIRST_CLAIMED_SHARD).await, Ok(Some(id(1))));
    assert_eq!(catalogs(&bucket).claimant(FIRST_CLAIMED_SHARD + 1).await, Ok(None));
    // The claim of a journal is recognised by that journal, and by nobody else.
    let old = memory();
    old.put(&key, golden.into()).await.unwrap();
    assert_eq!(catalogs(&old).claim_shards(id(2), 1).await.unwrap(), [FIRST_CLAIMED_SHARD + 1]);
}
