//! Commits over a bucket that works, that fails, and that loses replies.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::TryStreamExt;
use latewood_base::{Clock, ErrorKind, Ids, Kinded, Rng, Ulid};
use latewood_catalog::{CatalogConfig, CatalogError, Change, Conflict, FlushStep, TenantCatalog};
use latewood_objstore::{Bucket, BucketConfig, DirectoryBucket, open_bucket};
use latewood_testkit::{Chances, Fault, FaultyBucket, Gate, Operation, Rule};
use prometheus_client::registry::Registry;
use support::{add, block, catalogs, flush, id, memory, process, process_with, tenant};

fn conflict(error: &CatalogError) -> &Conflict {
    error.conflict().unwrap_or_else(|| panic!("{error}"))
}

async fn sequences(bucket: &Bucket) -> Vec<u64> {
    let listing: Vec<_> = bucket.list("team-a/catalog", None).try_collect().await.unwrap();
    let names = listing.iter().filter_map(|info| info.key.strip_prefix("team-a/catalog/"));
    names.filter_map(|name| name.parse().ok()).collect()
}

#[tokio::test]
async fn what_one_process_commits_another_reads() {
    let bucket = memory();
    let (one, two) = (process(&bucket, 1), process(&bucket, 2));
    assert_eq!(two.view().await.unwrap().version, 0);
    let view = one.commit(flush(1, 3, 0, 5)).await.unwrap();
    assert_eq!((view.version, view.flushed_generation(3)), (1, 5));
    assert_eq!(two.view().await.unwrap().version, 0, "a view is pinned until it is refreshed");
    assert_eq!(*two.refresh(1).await.unwrap(), *view);
    let ahead = two.refresh(2).await.unwrap_err();
    assert!(matches!(ahead, CatalogError::Behind { wanted: 2, found: 1, .. }), "{ahead}");
    assert_eq!(*process(&bucket, 3).view().await.unwrap(), *view);
}

/// A change that depends on the view follows on that view, whoever commits meanwhile.
#[tokio::test]
async fn a_change_is_made_anew_of_the_view_that_it_follows_on() {
    let bucket = memory();
    let (one, two) = (process(&bucket, 1), process(&bucket, 2));
    two.view().await.unwrap();
    one.commit(add(1)).await.unwrap();
    let mut seen = Vec::new();
    let view = two.commit_with(|view| {
        seen.push(view.version);
        Some(Change { remove: view.blocks.keys().copied().collect(), ..add(2) })
    });
    let view = view.await.unwrap();
    assert_eq!((view.version, view.blocks.keys().copied().collect::<Vec<_>>()), (2, vec![id(2)]));
    assert_eq!(seen, [0, 1]);
    assert_eq!(one.commit_with(|view| view.blocks.is_empty().then(|| add(3))).await.unwrap().version, 1);
    assert_eq!(sequences(&bucket).await, [1, 2]);
}

#[tokio::test]
async fn conflicts_are_typed_and_leave_nothing_behind() {
    let bucket = memory();
    let (one, two) = (process(&bucket, 1), process(&bucket, 2));
    two.view().await.unwrap();
    one.commit(flush(1, 0, 0, 1)).await.unwrap();
    let late = two.commit(flush(2, 0, 0, 1)).await.unwrap_err();
    let expected = Conflict::FlushedElsewhere { shard: 0, expected: 0, found: 1 };
    assert_eq!(conflict(&late), &expected);
    assert_eq!(late.kind(), ErrorKind::Conflict);
    let again = two.commit(add(1)).await.unwrap_err();
    assert_eq!(conflict(&again), &Conflict::AlreadyAdded(id(1)));
    let remove = |number| Change::replace(Vec::new(), vec![id(number)], Vec::new());
    let unknown = two.commit(remove(9)).await.unwrap_err();
    assert_eq!(conflict(&unknown), &Conflict::BlockNotLive(id(9)));
    two.commit(remove(1)).await.unwrap();
    let back = one.commit(add(1)).await.unwrap_err();
    assert_eq!(conflict(&back), &Conflict::BlockDead(id(1)));
    assert_eq!(sequences(&bucket).await, [1, 2]);
}

#[tokio::test(start_paused = true)]
async fn a_lost_reply_is_recognised_as_success() {
    let faulty = FaultyBucket::new(memory());
    let bucket: Bucket = Arc::clone(&faulty) as Bucket;
    let catalog = process(&bucket, 1);
    faulty.add(Rule::new(Fault::After).on(Operation::Create).times(1));
    let view = catalog.commit(flush(1, 0, 0, 1)).await.unwrap();
    assert_eq!(view.version, 1);
    // Lost reply, and the look at the outcome fails too: the next try is told that the place is taken.
    faulty.add(Rule::new(Fault::After).on(Operation::Create).times(1));
    faulty.add(Rule::new(Fault::Before).on(Operation::Get).times(1));
    let view = catalog.commit(flush(2, 0, 1, 2)).await.unwrap();
    assert_eq!((view.version, view.blocks.len(), view.flushed_generation(0)), (2, 2, 2));
    assert_eq!(faulty.struck(), 3);
    assert_eq!(sequences(&bucket).await, [1, 2]);
}

#[tokio::test(start_paused = true)]
async fn a_lost_reply_whose_place_another_took_is_a_lost_race() {
    let inner = memory();
    let faulty = FaultyBucket::new(Arc::clone(&inner));
    let slow = process(&(Arc::clone(&faulty) as Bucket), 1);
    slow.view().await.unwrap();
    // The first try never arrives; while its outcome is looked up, another commits.
    let gate = Gate::closed();
    faulty.add(Rule::new(Fault::Before).on(Operation::Create).times(1));
    faulty.add(Rule::new(Fault::Hold(gate.clone())).on(Operation::Get).times(1));
    let commit = {
        let slow = Arc::clone(&slow);
        tokio::spawn(async move { slow.commit(add(1)).await })
    };
    gate.reached(1).await;
    process(&inner, 2).commit(add(2)).await.unwrap();
    gate.open();
    let view = commit.await.unwrap().unwrap();
    assert_eq!(view.version, 2);
    assert!(view.blocks.contains_key(&id(1)) && view.blocks.contains_key(&id(2)));
}

#[tokio::test(start_paused = true)]
async fn an_outcome_that_cannot_be_found_out_says_so_and_shows_later() {
    let faulty = FaultyBucket::new(memory());
    let catalog = process(&(Arc::clone(&faulty) as Bucket), 1);
    catalog.view().await.unwrap();
    faulty.add(Rule::new(Fault::After).on(Operation::Create).times(1));
    faulty.add(Rule::new(Fault::Before));
    let error = catalog.commit(flush(1, 0, 0, 1)).await.unwrap_err();
    assert!(matches!(error, CatalogError::OutcomeUnknown { .. }), "{error}");
    assert!(error.to_string().contains("team-a/catalog/00000000000000000001"), "{error}");
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    faulty.heal();
    // The caller's retry finds its own flush there, and knows it by its block.
    let retry = catalog.commit(flush(1, 0, 0, 1)).await.unwrap_err();
    assert!(matches!(conflict(&retry), Conflict::FlushedElsewhere { found: 1, .. }), "{retry}");
    assert!(catalog.view().await.unwrap().blocks.contains_key(&id(1)));
}

#[tokio::test]
async fn a_view_that_is_doubted_is_compared_with_the_log_once() {
    let inner = memory();
    let faulty = FaultyBucket::new(Arc::clone(&inner));
    let (catalogs, _) = catalogs(&(Arc::clone(&faulty) as Bucket), 1, CatalogConfig::default());
    let reader = catalogs.tenant(&tenant());
    reader.view().await.unwrap();
    process(&inner, 2).commit(add(1)).await.unwrap();
    assert_eq!(reader.view().await.unwrap().version, 0, "nobody told of it");
    catalogs.doubt_views();
    faulty.add(Rule::new(Fault::Before).on(Operation::Get));
    assert_eq!(reader.view().await.unwrap_err().kind(), ErrorKind::Unavailable, "not silently the old one");
    faulty.heal();
    assert_eq!(reader.view().await.unwrap().version, 1);
    let before = faulty.requests().len();
    assert_eq!((reader.view().await.unwrap().version, faulty.requests().len()), (1, before));
}

#[tokio::test]
async fn a_view_is_compared_when_it_is_time_to_and_stands_while_the_bucket_is_away() {
    let inner = memory();
    let faulty = FaultyBucket::new(Arc::clone(&inner));
    let config = CatalogConfig { refresh_seconds: 300, ..CatalogConfig::default() };
    let (reader, hand) = process_with(&(Arc::clone(&faulty) as Bucket), 1, config);
    reader.view().await.unwrap();
    process(&inner, 2).commit(add(1)).await.unwrap();
    hand.advance(Duration::from_secs(300));
    assert_eq!(reader.view().await.unwrap().version, 0, "it is not time yet");
    hand.advance(Duration::from_secs(1));
    faulty.add(Rule::new(Fault::Before));
    assert_eq!(reader.view().await.unwrap().version, 0, "what is known stands");
    let before = faulty.requests().len();
    reader.view().await.unwrap();
    assert_eq!(faulty.requests().len(), before, "it is not tried at every call");
    faulty.heal();
    hand.advance(Duration::from_secs(31));
    assert_eq!(reader.view().await.unwrap().version, 1);
    let before = faulty.requests().len();
    reader.view().await.unwrap();
    assert_eq!(faulty.requests().len(), before);
}

#[tokio::test]
async fn concurrent_refreshes_share_one_read() {
    let inner = memory();
    let faulty = FaultyBucket::new(Arc::clone(&inner));
    let reader = process(&(Arc::clone(&faulty) as Bucket), 1);
    reader.view().await.unwrap();
    let gate = Gate::closed();
    faulty.add(Rule::new(Fault::Hold(gate.clone())).on(Operation::Get).times(1));
    let refresh = |reader: &Arc<TenantCatalog>| {
        let reader = Arc::clone(reader);
        tokio::spawn(async move { reader.refresh(0).await.unwrap().version })
    };
    let first = refresh(&reader);
    gate.reached(1).await;
    let before = faulty.requests().len();
    process(&inner, 2).commit(add(1)).await.unwrap();
    let others: Vec<_> = (0..20).map(|_| refresh(&reader)).collect();
    tokio::task::yield_now().await;
    gate.open();
    first.await.unwrap();
    for other in others {
        // They came after the commit, so the read that was under way is not enough for them.
        assert_eq!(other.await.unwrap(), 1);
    }
    let reads = faulty.requests().len() - before;
    assert!(reads <= 3, "{reads} requests for 20 refreshes");
}

/// Commits flushes of one shard as an ingester does: on a conflict it looks where the shard is.
async fn flush_often(catalog: Arc<TenantCatalog>, committer: u128, rounds: u128) -> Vec<(u64, u64, Ulid)> {
    let mut done = Vec::new();
    for round in 0..rounds {
        let number = committer * 1_000 + round;
        loop {
            let from = catalog.view().await.map_or(0, |view| view.flushed_generation(0));
            match catalog.commit(flush(number, 0, from, from + 1)).await {
                Ok(_) => {
                    done.push((from, from + 1, id(number)));
                    break;
                }
                Err(error) if error.conflict().is_some() => {}
                Err(error) if error.kind() == ErrorKind::Unavailable => {
                    // Unknown, or a failed read: look.
                    while catalog.refresh(0).await.is_err() {}
                    let view = catalog.view().await.unwrap();
                    if view.blocks.contains_key(&id(number)) {
                        let entry = &view.blocks[&id(number)];
                        let to = entry.generation.unwrap();
                        done.push((to - 1, to, id(number)));
                        break;
                    }
                }
                Err(error) => panic!("{error}"),
            }
        }
    }
    done
}

async fn run_committers(seed: u64, chances: Chances) {
    let inner = memory();
    let config =
        CatalogConfig { checkpoint_interval: 8, commit_timeout_ms: 2_000, ..CatalogConfig::default() };
    let mut committers = tokio::task::JoinSet::new();
    for committer in 0..6_u64 {
        let bucket = FaultyBucket::seeded(Arc::clone(&inner), seed * 100 + committer, chances) as Bucket;
        let (catalog, _) = process_with(&bucket, committer, config.clone());
        committers.spawn(flush_often(catalog, u128::from(committer) + 1, 12));
    }
    let mut steps = Vec::new();
    while let Some(done) = committers.join_next().await {
        steps.extend(done.unwrap());
    }
    // Every success once, in one unbroken chain of flushes.
    steps.sort();
    assert_eq!(steps.len(), 72);
    for (index, (from, to, _)) in steps.iter().enumerate() {
        assert_eq!((*from, *to), (index as u64, index as u64 + 1));
    }
    let sequences = sequences(&inner).await;
    assert_eq!(sequences, (1..=sequences.len() as u64).collect::<Vec<_>>());
    let view = process(&inner, 99).view().await.unwrap();
    let expected: BTreeSet<Ulid> = steps.iter().map(|(_, _, id)| *id).collect();
    assert_eq!(view.blocks.keys().copied().collect::<BTreeSet<_>>(), expected);
    assert_eq!((view.version, view.flushed_generation(0)), (72, 72));
    // The log read from its beginning is the same as from the last checkpoint.
    let checkpoints: Vec<_> = inner.list("team-a/catalog/checkpoint", None).try_collect().await.unwrap();
    assert!(!checkpoints.is_empty());
    for checkpoint in checkpoints {
        inner.delete(&checkpoint.key).await.unwrap();
    }
    assert_eq!(*process(&inner, 98).view().await.unwrap(), *view);
}

#[tokio::test(start_paused = true)]
async fn concurrent_committers_lose_and_double_nothing() {
    run_committers(1, Chances::default()).await;
}

#[tokio::test(start_paused = true)]
async fn nor_when_requests_fail_and_replies_are_lost() {
    for seed in 1..=8 {
        let chances = Chances {
            before: 0.15,
            after: 0.15,
            // A log is read in many requests, and no retries are around this bucket.
            read_factor: 0.2,
        };
        run_committers(seed, chances).await;
    }
}

async fn run_processes(bucket: &Bucket) {
    let mut committers = tokio::task::JoinSet::new();
    for committer in 0..4 {
        let catalog = process(bucket, committer);
        committers.spawn(flush_often(catalog, u128::from(committer) + 1, 10));
    }
    while let Some(done) = committers.join_next().await {
        assert_eq!(done.unwrap().len(), 10);
    }
    assert_eq!(sequences(bucket).await, (1..=40).collect::<Vec<_>>());
    assert_eq!(process(bucket, 9).view().await.unwrap().flushed_generation(0), 40);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nor_on_many_threads_over_a_directory() {
    let folder = tempfile::tempdir().unwrap();
    let directory = DirectoryBucket::open(folder.path(), Rng::seeded(1)).await.unwrap();
    run_processes(&(Arc::new(directory) as Bucket)).await;
}

/// `LATEWOOD_TEST_BUCKET=s3://bucket LATEWOOD_TEST_S3_ENDPOINT=http://host:port` with `AWS_*` credentials.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nor_on_the_bucket_of_the_environment() {
    let Ok(url) = std::env::var("LATEWOOD_TEST_BUCKET") else {
        return;
    };
    let run = Ids::new(Clock::system(), Rng::system()).next();
    let config = BucketConfig {
        s3_endpoint: std::env::var("LATEWOOD_TEST_S3_ENDPOINT").ok(),
        ..BucketConfig::at(&format!("{url}/{run}"))
    };
    let bucket = open_bucket(&config, Clock::system(), &mut Registry::default()).await.unwrap();
    run_processes(&bucket).await;
    let objects: Vec<_> = bucket.list("", None).try_collect().await.unwrap();
    for object in objects {
        bucket.delete(&object.key).await.unwrap();
    }
}

#[tokio::test]
async fn a_view_left_alone_for_long_is_loaded_afresh_so_that_pruning_is_safe() {
    let bucket = memory();
    let config = CatalogConfig {
        checkpoint_interval: 4,
        reload_after_seconds: 100,
        keep_commits_seconds: 400,
        ..CatalogConfig::default()
    };
    let (writer, writer_clock) = process_with(&bucket, 1, config.clone());
    let (idle, idle_clock) = process_with(&bucket, 2, config);
    writer.commit(add(1)).await.unwrap();
    idle.refresh(1).await.unwrap();
    for number in 2..=13 {
        writer.commit(add(number)).await.unwrap();
    }
    // The bucket of this test has no times: all its objects are as old as can be.
    writer_clock.advance(Duration::from_secs(500));
    assert!(writer.prune().await.unwrap() > 0);
    assert_eq!(sequences(&bucket).await, [9, 10, 11, 12, 13]);
    idle_clock.advance(Duration::from_secs(101));
    // Place 2 looks free now; were the old view relied on, this would be commit 2.
    let view = idle.commit(add(14)).await.unwrap();
    assert_eq!((view.version, view.blocks.len()), (14, 14));
    assert_eq!(*writer.refresh(14).await.unwrap(), *view);
}

#[tokio::test]
async fn damaged_and_foreign_objects_are_named() {
    let key = "team-a/catalog/00000000000000000001";
    let bucket = memory();
    process(&bucket, 1).commit(flush(1, 0, 0, 1)).await.unwrap();
    let good = bucket.get(key, 1 << 20).await.unwrap();
    let text = String::from_utf8(good.to_vec()).unwrap();
    let cases = [
        (good.slice(..good.len() / 2), "bytes of JSON where its header says"),
        (good.slice(..20), "no header"),
        (Bytes::from_static(b"\0\0\0\0\n"), "header is unreadable"),
        (Bytes::from(text.replace("\"to\":1", "\"to\":7")), "its checksum is"),
        (Bytes::from(text.replace("\"commit\"", "\"lease\"")), "it is a Lease"),
        (Bytes::from(text.replace("\"version\":4", "\"version\":9")), "format version 9"),
        (Bytes::new(), "no header"),
    ];
    for (body, expected) in cases {
        bucket.put(key, body).await.unwrap();
        let error = process(&bucket, 2).view().await.unwrap_err();
        assert!(error.to_string().contains(key), "{error}");
        assert!(error.to_string().contains(expected), "{error} does not say {expected:?}");
    }
}

#[tokio::test]
async fn a_missing_commit_is_an_error_and_not_the_end() {
    let bucket = memory();
    let writer = process(&bucket, 1);
    for number in 1..=5 {
        writer.commit(add(number)).await.unwrap();
    }
    bucket.delete("team-a/catalog/00000000000000000003").await.unwrap();
    let error = process(&bucket, 2).view().await.unwrap_err();
    assert!(error.to_string().contains("00000000000000000003"), "{error}");
    assert_eq!(error.kind(), ErrorKind::Corrupt);
}

#[tokio::test]
async fn a_change_beyond_the_limit_is_refused_before_anything_is_written() {
    let bucket = memory();
    let config = CatalogConfig { max_commit_bytes: 2_000, ..CatalogConfig::default() };
    let (catalog, _) = process_with(&bucket, 1, config);
    let change = Change { add: (1..=30).map(block).collect(), ..Change::default() };
    let error = catalog.commit(change).await.unwrap_err();
    assert!(matches!(error, CatalogError::TooLarge { max: 2_000, .. }), "{error}");
    assert_eq!(sequences(&bucket).await, Vec::<u64>::new());
    let backwards = Change::flush(None, FlushStep { shard: 0, from: 3, to: 3 });
    let error = catalog.commit(backwards).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
}
