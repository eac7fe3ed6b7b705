//! What is lost and what is not when data directories and journals come, go, and are copied.

use latewood_cluster::{Group, GroupConfig};
use latewood_wal::{Journal, WalConfig};

use super::*;
use crate::head::Head;
use crate::journal::{ShardCommand, ShardState};

/// The generations on disk of the shard in place 0.
fn generations(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir.join("unflushed/shard-0")).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut all: Vec<String> = names.filter(|name| name.starts_with("gen-")).collect();
    all.sort();
    all
}

/// A new data directory under the old bucket, its clock behind what was flushed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wiped_data_directory_flushes_under_numbers_of_its_own() {
    let (one, two, bucket) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), memory());
    let mut model = Data::new();
    let node = Node::start(one.path(), &bucket, 1).await;
    let before = node.view().await;
    node.write(10, 0, &mut model).await;
    node.flush().await;
    node.ingester.stop().await;
    let node = Node::start(two.path(), &bucket, 1).await;
    // A view from before the flush lacks what nobody serves any more.
    let stale = node.read(Some(&before)).await;
    assert!(matches!(stale, Err(StoreError::StaleView { min_version: 1 })), "{stale:?}");
    node.write(10, 1, &mut model).await;
    node.check(&bucket, &model).await;
    node.flush().await;
    node.check(&bucket, &model).await;
    let view = node.view().await;
    assert_eq!((view.blocks.len(), view.flushed.len()), (2, 2));
    node.ingester.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_data_directories_on_one_bucket_do_not_meet() {
    let (one, two, bucket) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), memory());
    let mut model = Data::new();
    let b = Node::start(two.path(), &bucket, 1).await;
    let a = Node::start(one.path(), &bucket, 1).await;
    a.hand.advance(Duration::from_secs(60));
    a.write(10, 0, &mut model).await;
    a.flush().await;
    a.write(10, 1, &mut model).await;
    a.flush().await;
    b.write(10, 2, &mut model).await;
    b.flush().await;
    b.check(&bucket, &model).await;
    a.ingester.stop().await;
    b.ingester.stop().await;
}

/// A copy has the numbers of its original: then the blocks tell what is committed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restored_copy_of_a_data_directory_loses_nothing_that_it_acknowledges() {
    let (dirs, bucket, mut model) = (tempfile::tempdir().unwrap(), memory(), Data::new());
    let at = |name: &str| dirs.path().join(name);
    let node = Node::start(&at("live"), &bucket, 1).await;
    node.write(10, 0, &mut model).await;
    node.ingester.stop().await;
    copy(&at("live"), &at("copy"));
    let node = Node::start(&at("live"), &bucket, 1).await;
    node.write(10, 1, &mut model).await;
    node.flush().await;
    node.ingester.stop().await;
    let node = Node::start(&at("copy"), &bucket, 1).await;
    node.write(10, 2, &mut model).await;
    node.flush().await;
    let view = node.view().await;
    let mut all = Data::new();
    for entry in view.blocks.values() {
        // Step 0 is in both; the tie rule makes one of them.
        let mut alone = View::clone(&view);
        alone.blocks.retain(|id, _| *id == entry.id);
        for (series, samples) in read_blocks(&bucket, &alone).await {
            all.entry(series).or_default().extend(samples);
        }
    }
    assert_eq!((all, view.blocks.len()), (model, 2));
    node.ingester.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_lost_journal_left_in_local_blocks_is_served_and_flushed() {
    let faulty = FaultyBucket::new(memory());
    let bucket: Bucket = faulty.clone();
    let (dir, mut model) = (tempfile::tempdir().unwrap(), Data::new());
    let node = Node::start(dir.path(), &bucket, 1).await;
    faulty.add(catalog_commits());
    for step in 0..2 {
        node.write(10, step, &mut model).await;
        to_local_blocks(&node).await;
    }
    node.ingester.stop().await;
    std::fs::rename(dir.path().join("journal"), dir.path().join("journal.bad")).unwrap();
    for round in 0..2 {
        // And again with the new journal, while the bucket is still away.
        let node = Node::start(dir.path(), &bucket, 1).await;
        assert_eq!(generations(dir.path()).len(), 2);
        node.write(10, 2 + round, &mut model).await;
        node.check(&bucket, &model).await;
        node.ingester.stop().await;
    }
    faulty.heal();
    let node = Node::start(dir.path(), &bucket, 1).await;
    node.flush().await;
    node.check(&bucket, &model).await;
    let view = node.view().await;
    assert_eq!((node.read(Some(&view)).await.unwrap(), view.blocks.len()), (Data::new(), 3));
    node.ingester.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn local_blocks_do_not_outlive_restarts_within_their_linger() {
    let (dir, bucket, mut model) = (tempfile::tempdir().unwrap(), memory(), Data::new());
    for round in 0..4 {
        let node = Node::start(dir.path(), &bucket, 1).await;
        assert!(generations(dir.path()).len() <= 1, "{round}: {:?}", generations(dir.path()));
        node.write(10, round, &mut model).await;
        node.flush().await;
        node.ingester.stop().await;
    }
    let node = Node::start(dir.path(), &bucket, 1).await;
    let mut changes = node.ingester.shards()[0].head().changes();
    node.hand.advance(Duration::from_secs(600));
    while !node.ingester.shards()[0].head().closed().is_empty() {
        changes.changed().await;
    }
    while !generations(dir.path()).is_empty() {
        tokio::task::yield_now().await;
    }
    node.check(&bucket, &model).await;
    node.ingester.stop().await;
}

/// A log that says that a generation is flushed, and no checkpoint that covers it yet.
async fn flushed_without_a_checkpoint(dir: &Path, generation: u64) {
    let (clock, rng) = (Clock::manual(START_MS).0, Rng::seeded(9));
    let (dir, config) = (dir.join("journal"), WalConfig::default());
    let (journal, _) = Journal::open(&dir, config, &rng, &clock, &mut Registry::default()).unwrap();
    let state = ShardState::new(Head::new([generation].into()));
    let group = Group::open(1, GroupConfig::default(), journal.clone(), state).await.unwrap();
    group.propose(ShardCommand::Flushed { generation }).await.unwrap();
    group.shutdown().await;
    tokio::task::spawn_blocking(move || journal.close()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_view_from_before_a_flush_is_answered_in_full_after_a_restart() {
    let faulty = FaultyBucket::new(memory());
    let bucket: Bucket = faulty.clone();
    let (dir, mut model) = (tempfile::tempdir().unwrap(), Data::new());
    let node = Node::start(dir.path(), &bucket, 1).await;
    node.write(10, 0, &mut model).await;
    let before = node.view().await;
    faulty.add(catalog_commits());
    to_local_blocks(&node).await;
    let generation = node.ingester.shards()[0].head().closed()[0].number;
    node.ingester.stop().await;
    flushed_without_a_checkpoint(dir.path(), generation).await;
    let node = Node::start(dir.path(), &bucket, 1).await;
    assert_eq!(node.read(Some(&before)).await.unwrap(), model);
    node.ingester.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_journal_stands_in_for_a_damaged_local_block() {
    let faulty = FaultyBucket::new(memory());
    let bucket: Bucket = faulty.clone();
    let (dir, mut model) = (tempfile::tempdir().unwrap(), Data::new());
    let node = Node::start(dir.path(), &bucket, 1).await;
    node.write(10, 0, &mut model).await;
    faulty.add(catalog_commits());
    to_local_blocks(&node).await;
    node.ingester.stop().await;
    let block = dir.path().join("unflushed/shard-0").join(generations(dir.path()).pop().unwrap()).join("0");
    for file in ["meta.json", "series.parquet"] {
        let mut bytes = std::fs::read(block.join(file)).unwrap();
        bytes[20] ^= 1;
        std::fs::write(block.join(file), bytes).unwrap();
        let node = Node::start(dir.path(), &bucket, 1).await;
        node.check(&bucket, &model).await;
        to_local_blocks(&node).await;
        node.ingester.stop().await;
    }
    faulty.heal();
    let node = Node::start(dir.path(), &bucket, 1).await;
    node.flush().await;
    node.check(&bucket, &model).await;
    node.ingester.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shards_are_not_lost_from_sight_with_their_file() {
    let (dir, bucket, mut model) = (tempfile::tempdir().unwrap(), memory(), Data::new());
    let node = Node::start(dir.path(), &bucket, 4).await;
    node.write(40, 0, &mut model).await;
    node.ingester.stop().await;
    std::fs::remove_file(dir.path().join("shards.json")).unwrap();
    let node = Node::start(dir.path(), &bucket, 2).await;
    assert_eq!(node.ingester.shards().len(), 4);
    node.check(&bucket, &model).await;
    node.flush().await;
    node.check(&bucket, &model).await;
    node.ingester.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenant_whose_catalog_is_broken_holds_up_nobody_else() {
    let (dir, bucket, mut model) = (tempfile::tempdir().unwrap(), memory(), Data::new());
    let commit = "aaa/catalog/00000000000000000001";
    bucket.put(commit, bytes::Bytes::from_static(b"rubbish")).await.unwrap();
    let mut node = Node::start(dir.path(), &bucket, 1).await;
    let mut others = Data::new();
    for step in 0..2 {
        // Its later generations too.
        node.write(10, step, &mut model).await;
        node.tenant = TenantId::new("aaa").unwrap();
        node.write(10, step, &mut others).await;
        node.tenant = TenantId::anonymous();
        to_local_blocks(&node).await;
    }
    while node.view().await.blocks.len() < 2 {
        tokio::task::yield_now().await;
    }
    node.check(&bucket, &model).await;
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &node.registry).unwrap();
    assert!(text.contains("latewood_ingester_flush_failing_tenants 1\n"), "{text}");
    assert!(node.ingester.shards()[0].head().closed().iter().all(|closed| !closed.flushed));
    // Mended, it catches up, in order.
    bucket.delete(commit).await.unwrap();
    node.flush().await;
    node.tenant = TenantId::new("aaa").unwrap();
    node.check(&bucket, &others).await;
    assert_eq!(node.view().await.version, 2);
    node.ingester.stop().await;
}

/// What a start on a bucket says that is not the data directory's.
async fn refusal(dir: &Path, bucket: &Bucket) -> String {
    Node::try_start_with(dir, bucket, 1, |_| {}).await.err().unwrap().to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_data_directory_does_not_start_on_the_bucket_of_another() {
    let (dir, theirs, bucket) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), memory());
    let mut model = Data::new();
    let node = Node::start(dir.path(), &bucket, 1).await;
    node.write(5, 0, &mut model).await;
    node.ingester.stop().await;
    let other = memory();
    let text = refusal(dir.path(), &other).await;
    assert!(text.contains("belongs to another bucket") && text.contains("claimed by nobody"), "{text}");
    Node::start(theirs.path(), &other, 1).await.ingester.stop().await;
    let text = refusal(dir.path(), &other).await;
    assert!(text.contains("1024 is claimed by journal"), "{text}");
    let node = Node::start(dir.path(), &bucket, 1).await;
    node.flush().await;
    node.check(&bucket, &model).await;
    node.ingester.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_committed_under_the_numbers_of_another_when_the_bucket_comes_back() {
    let (dir, theirs, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), memory());
    let mut model = Data::new();
    let node = Node::start(dir.path(), &memory(), 1).await;
    node.write(5, 0, &mut model).await;
    node.ingester.stop().await;
    Node::start(theirs.path(), &other, 1).await.ingester.stop().await;
    let faulty = FaultyBucket::new(other);
    faulty.add(Rule::new(Fault::Before));
    let bucket: Bucket = faulty.clone();
    let node = Node::start_with(dir.path(), &bucket, 1, |config| config.flush.wait_timeout_seconds = 1).await;
    assert!(node.ingester.readiness()());
    node.write(5, 1, &mut model).await;
    assert_eq!(node.read(None).await.unwrap(), model);
    faulty.heal();
    let text = node.ingester.shards()[0].flush(true).await.unwrap_err().to_string();
    assert!(text.contains("belongs to another bucket"), "{text}");
    assert_eq!((node.view().await.version, node.ingester.readiness()()), (0, false));
    node.ingester.stop().await;
}
