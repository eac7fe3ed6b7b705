//! Readers find the newest view without listing; whatever the hint says, they find no other.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use latewood_catalog::{CatalogConfig, TenantCatalog, View};
use latewood_objstore::Bucket;
use latewood_testkit::{Fault, FaultyBucket, Gate, Operation, Rule};
use support::{add, memory, process, process_with};

const HINT: &str = "team-a/catalog/hint";

/// Commits of a log in which more are pruned than a reader looks ahead.
const LONG: u128 = 41;

/// A checkpoint every third commit; nothing is too young to be pruned.
fn config() -> CatalogConfig {
    CatalogConfig {
        checkpoint_interval: 3,
        reload_after_seconds: 100,
        keep_commits_seconds: 400,
        ..CatalogConfig::default()
    }
}

/// A log of so many commits. The bucket of these tests has no times: all its objects are as old as can be.
async fn log_of(commits: u128) -> (Bucket, Arc<TenantCatalog>, Arc<View>) {
    let bucket = memory();
    let (writer, clock) = process_with(&bucket, 1, config());
    for number in 1..=commits {
        writer.commit(add(number)).await.unwrap();
    }
    clock.advance(Duration::from_secs(500));
    let view = writer.view().await.unwrap();
    (bucket, writer, view)
}

/// What a process that knows nothing reads, and how often it lists.
async fn read_anew(bucket: &Bucket) -> (Arc<View>, usize) {
    let faulty = FaultyBucket::new(Arc::clone(bucket));
    let view = process(&(Arc::clone(&faulty) as Bucket), 2).view().await.unwrap();
    let lists = faulty.requests().iter().filter(|(operation, _)| *operation == Operation::List).count();
    (view, lists)
}

fn hint(checkpoint: u64) -> Bytes {
    let body = format!(r#"{{"tenant":"team-a","checkpoint":{checkpoint}}}"#);
    let (bytes, crc) = (body.len(), crc32c::crc32c(body.as_bytes()));
    let header = format!(r#"{{"latewood":"hint","version":1,"bytes":{bytes},"crc32c":"{crc:08x}"}}"#);
    Bytes::from(format!("{header}\n{body}\n"))
}

#[tokio::test]
async fn a_first_view_takes_no_listing_whether_there_are_checkpoints_or_not() {
    for commits in [1, 2, 3, 4, 20] {
        let (bucket, writer, whole) = log_of(commits).await;
        assert_eq!(read_anew(&bucket).await, (Arc::clone(&whole), 0), "{commits} commits");
        writer.prune().await.unwrap();
        assert_eq!(read_anew(&bucket).await, (whole, 0), "{commits} commits, pruned");
    }
}

#[tokio::test]
async fn a_hint_names_the_newest_checkpoint() {
    let (bucket, ..) = log_of(7).await;
    assert_eq!(bucket.get(HINT, 1_024).await.unwrap(), hint(6));
}

#[tokio::test]
async fn an_old_hint_leads_to_the_newest_view() {
    let (bucket, writer, whole) = log_of(11).await;
    for checkpoint in [3, 6] {
        bucket.put(HINT, hint(checkpoint)).await.unwrap();
        assert_eq!(read_anew(&bucket).await, (Arc::clone(&whole), 0), "checkpoint {checkpoint}");
    }
    // Checkpoint 3 goes, and the commits up to 6.
    writer.prune().await.unwrap();
    assert_eq!(bucket.get(HINT, 1_024).await.unwrap(), hint(9), "it was mended");
    bucket.put(HINT, hint(3)).await.unwrap();
    let (view, lists) = read_anew(&bucket).await;
    assert!(view == whole && lists > 0, "its checkpoint is gone: listed {lists} times");
    bucket.delete(HINT).await.unwrap();
    let (view, lists) = read_anew(&bucket).await;
    assert!(view == whole && lists > 0, "the first commit is gone: listed {lists} times");
}

#[tokio::test]
async fn rubbish_in_place_of_a_hint_costs_a_listing_until_it_is_mended() {
    let (bucket, writer, whole) = log_of(11).await;
    let foreign = String::from_utf8(hint(9).to_vec()).unwrap().replace("team-a", "team-b");
    let long = vec![b'x'; 100_000];
    for rubbish in [
        Bytes::new(),
        Bytes::from_static(b"\0\xff\n"),
        hint(0),
        hint(10),
        hint(u64::MAX),
        foreign.into(),
        long.into(),
        bucket.get("team-a/catalog/00000000000000000001", 1 << 20).await.unwrap(),
    ] {
        bucket.put(HINT, rubbish.clone()).await.unwrap();
        let (view, lists) = read_anew(&bucket).await;
        assert!(view == whole && lists > 0, "{rubbish:?}: listed {lists} times");
        writer.prune().await.unwrap();
        assert_eq!(bucket.get(HINT, 1_024).await.unwrap(), hint(9), "instead of {rubbish:?}");
    }
}

#[tokio::test]
async fn a_hint_that_could_not_be_written_is_written_at_the_next_commit() {
    for fault in [Fault::Before, Fault::After] {
        let inner = memory();
        let faulty = FaultyBucket::new(Arc::clone(&inner));
        let (writer, _) = process_with(&(Arc::clone(&faulty) as Bucket), 1, config());
        faulty.add(Rule::new(fault).on(Operation::Put).key("hint").times(1));
        for number in 1..=3 {
            writer.commit(add(number)).await.unwrap();
        }
        assert_eq!(faulty.struck(), 1);
        assert_eq!(read_anew(&inner).await, (writer.view().await.unwrap(), 0));
        writer.commit(add(4)).await.unwrap();
        assert_eq!(inner.get(HINT, 1_024).await.unwrap(), hint(4));
    }
}

/// Wherever a pruning is cut short, and whichever hint is left by a writer that was slow.
#[tokio::test]
async fn no_hint_leads_into_a_log_that_is_half_pruned() {
    for cut in 0.. {
        let (inner, _, whole) = log_of(LONG).await;
        let faulty = FaultyBucket::new(Arc::clone(&inner));
        let (pruner, clock) = process_with(&(Arc::clone(&faulty) as Bucket), 3, config());
        pruner.view().await.unwrap();
        clock.advance(Duration::from_secs(500));
        faulty.add(Rule::new(Fault::Before).on(Operation::Delete).skip(cut));
        let is_done = pruner.prune().await.is_ok();
        for checkpoint in (3..=LONG as u64 + 3).step_by(3) {
            inner.put(HINT, hint(checkpoint)).await.unwrap();
            let view = read_anew(&inner).await.0;
            assert!(view == whole, "version {} by {checkpoint} after {cut} deletions", view.version);
        }
        inner.delete(HINT).await.unwrap();
        let view = read_anew(&inner).await.0;
        assert!(view == whole, "version {} without a hint after {cut} deletions", view.version);
        if is_done {
            assert!(cut > 40, "{cut} deletions");
            return;
        }
    }
}

/// A reader stands still while what it is about to read is deleted.
#[tokio::test]
async fn nor_does_one_that_is_pruned_while_it_is_read() {
    for begins_at in [Some(3), None] {
        let (inner, writer, whole) = log_of(LONG).await;
        match begins_at {
            Some(checkpoint) => inner.put(HINT, hint(checkpoint)).await.unwrap(),
            None => inner.delete(HINT).await.unwrap(),
        }
        let (faulty, gate) = (FaultyBucket::new(Arc::clone(&inner)), Gate::closed());
        faulty.add(Rule::new(Fault::Hold(gate.clone())).on(Operation::Get).key("catalog/0000"));
        let reader = process(&(Arc::clone(&faulty) as Bucket), 2);
        let reading = tokio::spawn(async move { reader.view().await });
        gate.reached(1).await;
        assert!(writer.prune().await.unwrap() > 36);
        gate.open();
        let view = reading.await.unwrap().unwrap();
        assert!(view == whole, "version {} from {begins_at:?}", view.version);
    }
}

#[tokio::test]
async fn a_commit_that_is_made_while_its_successor_is_read_is_not_missing() {
    let (inner, writer, _) = log_of(1).await;
    let (faulty, gate) = (FaultyBucket::new(Arc::clone(&inner)), Gate::closed());
    faulty.add(Rule::new(Fault::Hold(gate.clone())).on(Operation::Get).key("00000003").times(1));
    let reader = process(&(Arc::clone(&faulty) as Bucket), 2);
    let reading = tokio::spawn(async move { reader.view().await });
    // By then place 2 was found free.
    gate.reached(1).await;
    for number in 2..=3 {
        writer.commit(add(number)).await.unwrap();
    }
    gate.open();
    assert_eq!(reading.await.unwrap().unwrap(), writer.view().await.unwrap());
}
