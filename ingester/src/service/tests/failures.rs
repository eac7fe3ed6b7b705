//! The bucket is away or fails, or the process stops in the middle of a flush.

use super::*;

pub(super) fn copy(from: &Path, to: &Path) {
    try_copy(from, to).unwrap();
}

/// Fails where a file is renamed meanwhile.
pub(super) fn try_copy(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            try_copy(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

pub(super) fn catalog_commits() -> Rule {
    Rule::new(Fault::Before).on(Operation::Create).key("/catalog/")
}

/// Freezes and waits until all is in local blocks, while the bucket takes no commits.
pub(super) async fn to_local_blocks(node: &Node) {
    for shard in node.ingester.shards() {
        shard.flush(false).await.unwrap();
        let mut changes = shard.head().changes();
        while shard.head().memory().1 > 0 {
            changes.changed().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bucket_that_fails_by_chance_loses_and_doubles_nothing() {
    for seed in 0..4 {
        let chances = Chances { before: 0.15, after: 0.15, read_factor: 0.5 };
        let faulty = FaultyBucket::seeded(memory(), seed, chances);
        let bucket: Bucket = faulty.clone();
        let (dir, mut model) = (tempfile::tempdir().unwrap(), Data::new());
        let node = Node::start(dir.path(), &bucket, 2).await;
        for step in 0..4 {
            node.write(30, 2 * step, &mut model).await;
            node.flush().await;
            node.write(30, 2 * step + 1, &mut model).await;
        }
        assert!(faulty.struck() > 0);
        faulty.heal();
        node.check(&bucket, &model).await;
        let view = node.view().await;
        assert_eq!(view.blocks.len(), 8, "one block a shard and flush");
        node.ingester.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bucket_that_is_away_costs_disk_and_not_memory_and_survives_restarts() {
    let faulty = FaultyBucket::new(memory());
    let bucket: Bucket = faulty.clone();
    let (dir, mut model) = (tempfile::tempdir().unwrap(), Data::new());
    let node = Node::start(dir.path(), &bucket, 2).await;
    let before = node.view().await;
    faulty.add(Rule::new(Fault::Before));
    for step in 0..3 {
        node.write(30, step, &mut model).await;
        to_local_blocks(&node).await;
    }
    node.write(30, 3, &mut model).await;
    assert_eq!(node.read(Some(&before)).await.unwrap(), model);
    node.ingester.stop().await;
    // The next life serves the same blocks without reading their samples into memory.
    let node = Node::start(dir.path(), &bucket, 2).await;
    assert_eq!(node.read(Some(&before)).await.unwrap(), model);
    for shard in node.ingester.shards() {
        assert_eq!((shard.head().closed().len(), shard.head().memory().1), (3, 0));
        assert!(shard.head().open().samples() > 0);
    }
    faulty.heal();
    node.flush().await;
    node.check(&bucket, &model).await;
    let view = node.view().await;
    assert_eq!((node.read(Some(&view)).await.unwrap(), view.blocks.len()), (Data::new(), 8));
    node.ingester.stop().await;
}

/// The data directory as a crash would leave it at each step, against a bucket that is further on or not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_at_any_step_of_a_flush_is_made_good() {
    let faulty = FaultyBucket::new(memory());
    let bucket: Bucket = faulty.clone();
    let dirs = tempfile::tempdir().unwrap();
    let at = |name: &str| dirs.path().join(name);
    let mut model = Data::new();
    let node = Node::start(&at("live"), &bucket, 2).await;
    node.write(30, 0, &mut model).await;
    node.ingester.stop().await;
    copy(&at("live"), &at("written"));
    faulty.add(catalog_commits());
    let node = Node::start(&at("live"), &bucket, 2).await;
    to_local_blocks(&node).await;
    node.ingester.stop().await;
    // Frozen and encoded; perhaps uploaded; not committed.
    copy(&at("live"), &at("encoded"));
    // Frozen and half encoded.
    copy(&at("live"), &at("encoding"));
    for shard in std::fs::read_dir(at("encoding").join("unflushed")).unwrap() {
        for generation in std::fs::read_dir(shard.unwrap().path()).unwrap() {
            let generation = generation.unwrap().path();
            if generation.join("complete.json").exists() {
                std::fs::remove_file(generation.join("complete.json")).unwrap();
            }
        }
    }
    // All commits lose their reply: the flush ends all the same.
    faulty.heal();
    faulty.add(Rule::new(Fault::After).on(Operation::Create).key("/catalog/"));
    let node = Node::start(&at("live"), &bucket, 2).await;
    node.flush().await;
    node.check(&bucket, &model).await;
    node.ingester.stop().await;
    faulty.heal();
    let version = node.view().await.version;
    // Committed, but the log does not know: each earlier state of the directory finds it out.
    for state in ["encoding", "encoded", "live"] {
        let node = Node::start(&at(state), &bucket, 2).await;
        node.check(&bucket, &model).await;
        node.flush().await;
        node.check(&bucket, &model).await;
        assert_eq!(node.view().await.version, version, "{state}: nothing is committed twice");
        let mut more = model.clone();
        node.write(30, 7, &mut more).await;
        node.check(&bucket, &more).await;
        node.ingester.stop().await;
    }
    // Not frozen when it was copied, and its bucket lost: with numbers of another one, a plain start.
    let other = memory();
    std::fs::remove_file(at("written").join("shards.json")).unwrap();
    let node = Node::start(&at("written"), &other, 2).await;
    node.flush().await;
    node.check(&other, &model).await;
    node.ingester.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_id_that_was_declared_garbage_is_replaced() {
    let faulty = FaultyBucket::new(memory());
    let bucket: Bucket = faulty.clone();
    let (dir, mut model) = (tempfile::tempdir().unwrap(), Data::new());
    let node = Node::start(dir.path(), &bucket, 1).await;
    node.write(5, 0, &mut model).await;
    faulty.add(catalog_commits());
    to_local_blocks(&node).await;
    let shard = &node.ingester.shards()[0];
    let crate::head::ClosedData::Local(local) = &shard.head().closed()[0].data else {
        panic!("not local");
    };
    let id = local.block(&node.tenant).unwrap().meta().id;
    faulty.heal();
    // The flush may have been faster: then there is nothing to declare.
    let change = Change { mark_dead: vec![id], ..Change::default() };
    let declared = node.catalogs.tenant(&node.tenant).commit(change).await;
    node.flush().await;
    node.check(&bucket, &model).await;
    assert_eq!(node.view().await.blocks.contains_key(&id), declared.is_err());
    node.ingester.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenant_without_data_in_a_generation_needs_no_commit() {
    let (dir, bucket, mut model) = (tempfile::tempdir().unwrap(), memory(), Data::new());
    let mut node = Node::start(dir.path(), &bucket, 1).await;
    let mut others = Data::new();
    node.write(5, 0, &mut model).await;
    node.flush().await;
    node.tenant = TenantId::new("other").unwrap();
    node.write(5, 0, &mut others).await;
    node.flush().await;
    node.tenant = TenantId::anonymous();
    assert_eq!(node.view().await.version, 1);
    node.write(5, 1, &mut model).await;
    node.flush().await;
    node.check(&bucket, &model).await;
    assert_eq!(node.view().await.version, 2);
    node.tenant = TenantId::new("other").unwrap();
    assert_eq!(node.view().await.version, 1);
    node.check(&bucket, &others).await;
    node.ingester.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_the_disk_budget_writes_are_refused_until_the_bucket_is_back() {
    let faulty = FaultyBucket::new(memory());
    let bucket: Bucket = faulty.clone();
    let (dir, mut model) = (tempfile::tempdir().unwrap(), Data::new());
    let node = Node::start_with(dir.path(), &bucket, 1, |config| {
        config.flush.max_unflushed_bytes = 1;
        config.flush.linger_seconds = 0;
    });
    let node = node.await;
    node.write(5, 0, &mut model).await;
    faulty.add(catalog_commits());
    to_local_blocks(&node).await;
    let shard = &node.ingester.shards()[0];
    let mut builder = BatchBuilder::new(node.tenant.clone(), &[]);
    let (labels, timestamp) = (Labels::from_pairs([("__name__", "up")]), START_MS);
    builder.push(&labels, &[Sample { timestamp, value: 1.0 }]);
    let part = ShardPart::whole(Arc::new(builder.build()), 0);
    let refused = shard.write(part.clone()).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Overloaded);
    assert!(refused.to_string().contains("max_unflushed_bytes"), "{refused}");
    faulty.heal();
    node.flush().await;
    let mut changes = shard.head().changes();
    while !shard.head().closed().is_empty() {
        changes.changed().await;
    }
    while shard.write(part.clone()).await.is_err() {
        tokio::task::yield_now().await;
    }
    node.ingester.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flush_that_is_waited_for_ends_with_the_cause_when_the_bucket_is_away() {
    let faulty = FaultyBucket::new(memory());
    let bucket: Bucket = faulty.clone();
    let (dir, mut model) = (tempfile::tempdir().unwrap(), Data::new());
    let node = Node::start_with(dir.path(), &bucket, 1, |config| config.flush.wait_timeout_seconds = 1).await;
    faulty.add(Rule::new(Fault::Before));
    node.write(3, 0, &mut model).await;
    let error = node.ingester.shards()[0].flush(true).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    let text = error.to_string();
    assert!(text.contains("not all blocks are in the bucket after 1 s"), "{text}");
    assert!(text.contains("bucket unavailable"), "{text}");
    faulty.heal();
    node.flush().await;
    node.check(&bucket, &model).await;
    node.ingester.stop().await;
}
