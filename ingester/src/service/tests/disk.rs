//! What the disk and local blocks may take.

use super::*;

async fn write_one(node: &Node) -> Result<(), crate::IngestError> {
    let mut builder = BatchBuilder::new(node.tenant.clone(), &[]);
    let sample = Sample { timestamp: START_MS, value: 1.0 };
    builder.push(&Labels::from_pairs([("__name__", "down")]), &[sample]);
    let part = ShardPart::whole(Arc::new(builder.build()), 0);
    node.ingester.shards()[0].write(part).await.map(drop)
}

/// Writes that may be refused.
async fn write_many(node: &Node, step: i64) {
    let mut builder = BatchBuilder::new(node.tenant.clone(), &[]);
    for n in 0..500 {
        let labels = Labels::from_pairs([("__name__", "up"), ("n", &n.to_string())]);
        let timestamp = START_MS + step * 15_000;
        builder.push(&labels, &[Sample { timestamp, value: f64::from(n) }]);
    }
    let part = ShardPart::whole(Arc::new(builder.build()), 0);
    drop(node.ingester.shards()[0].write(part).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_journal_counts_until_the_bucket_is_back() {
    let faulty = FaultyBucket::new(memory());
    let bucket: Bucket = faulty.clone();
    let dir = tempfile::tempdir().unwrap();
    let node = Node::start_with(dir.path(), &bucket, 1, |config| {
        config.flush.max_unflushed_bytes = 256 << 10;
        config.flush.linger_seconds = 0;
        config.journal.segment_bytes = 64 << 10;
    });
    let node = node.await;
    faulty.add(catalog_commits());
    let mut step = 0;
    let refused = loop {
        if let Err(refused) = write_one(&node).await {
            break refused;
        }
        assert!(step < 1_000, "megabytes are in the journal");
        write_many(&node, step).await;
        step += 1;
    };
    assert_eq!(refused.kind(), ErrorKind::Overloaded);
    assert!(refused.to_string().contains("max_unflushed_bytes"), "{refused}");
    // What holds the journal is frozen, although it is neither old nor large, so that it can be flushed.
    faulty.heal();
    while write_one(&node).await.is_err() {
        tokio::task::yield_now().await;
    }
    assert!(!node.view().await.blocks.is_empty());
    node.ingester.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_are_refused_before_the_disk_is_full() {
    let (dir, bucket) = (tempfile::tempdir().unwrap(), memory());
    let node =
        Node::start_with(dir.path(), &bucket, 1, |config| config.flush.min_free_bytes = u64::MAX).await;
    let refused = write_one(&node).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Overloaded);
    assert!(refused.to_string().contains("min_free_bytes"), "{refused}");
    node.ingester.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn local_blocks_stay_open_within_their_budget() {
    for (budget, kept) in [(1, false), (64 << 20, true)] {
        let faulty = FaultyBucket::new(memory());
        let bucket: Bucket = faulty.clone();
        let (dir, mut model) = (tempfile::tempdir().unwrap(), Data::new());
        let node = Node::start_with(dir.path(), &bucket, 1, |config| {
            config.flush.max_open_block_bytes = budget;
        });
        let node = node.await;
        let before = node.view().await;
        faulty.add(catalog_commits());
        for step in 0..3 {
            node.write(200, step, &mut model).await;
            to_local_blocks(&node).await;
        }
        let shard = &node.ingester.shards()[0];
        assert_eq!(shard.open_block_bytes(), 0);
        for _ in 0..2 {
            assert_eq!(node.read(Some(&before)).await.unwrap(), model);
            assert_eq!(shard.open_block_bytes() > 0, kept);
        }
        node.ingester.stop().await;
    }
}
