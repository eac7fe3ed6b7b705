//! The end: all nodes are back, all wires whole and the bucket well, and all must come to agree.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use latewood_cluster::Peer;
use latewood_ingester::head::HeadPart;
use latewood_ingester::testing::ShardReplica;
use latewood_model::{SeriesSamples, TimeRange};
use latewood_proto::store::Detail;
use tokio::time::{sleep, timeout};

use crate::node::Running;
use crate::reading::{Found, everything};
use crate::samples::{numbers, tenants};
use crate::world::{World, peer};

/// How long it may take until all is in the bucket and nothing anywhere else.
const PATIENCE: Duration = Duration::from_secs(180);
const LOOK: Duration = Duration::from_millis(50);

/// What a replica holds by its log: the generations that are not flushed, with how often each sample is in them.
type Held = (u64, Vec<u64>, Found);

impl World {
    pub async fn settle(&self) {
        for node in self.nodes.lock().await.iter() {
            node.disk.recover();
        }
        self.start_all().await;
        for (what, done) in [
            ("a last sample", timeout(PATIENCE, self.all_agree()).await.is_ok()),
            ("an empty head", timeout(PATIENCE, self.all_flushed()).await.is_ok()),
        ] {
            if !done {
                let all = self.running().await;
                let states: Vec<_> = all.iter().map(|(_, one)| one.replica.group().status()).collect();
                self.around.history.violation(format!("they do not come to {what}: {states:#?}"));
                return;
            }
        }
        self.check_bucket().await;
    }

    /// The first three nodes, which are the voters in the end.
    async fn voters(&self) -> Vec<(u64, Running)> {
        self.running().await.into_iter().filter(|(id, _)| *id <= 3).collect()
    }

    /// Makes voters of the first three nodes, and has a last write come to all of them.
    async fn all_agree(&self) {
        let voters: Vec<Peer> = (1..=3).map(peer).collect();
        while !self.has_voters(&voters).await {
            sleep(LOOK).await;
        }
        let last = self.around.history.number(1);
        while !self.write(&last).await {
            sleep(LOOK).await;
        }
        loop {
            sleep(LOOK).await;
            let all = self.voters().await;
            let applied: Vec<_> = all.iter().map(|(_, one)| one.replica.group().applied()).collect();
            if applied.iter().any(|one| *one != applied[0]) {
                continue;
            }
            let mut held = Vec::new();
            for (_, one) in &all {
                held.push(self.held(&one.replica).await);
            }
            let still: Vec<_> = all.iter().map(|(_, one)| one.replica.group().applied()).collect();
            if still == applied && held.iter().all(Option::is_some) {
                if held.iter().any(|one| *one != held[0]) {
                    self.around.history.violation(format!("replicas at {still:?} differ: {held:?}"));
                }
                return;
            }
        }
    }

    async fn has_voters(&self, voters: &[Peer]) -> bool {
        for group in self.leading().await {
            let changed = timeout(Duration::from_secs(3), group.change_voters(voters)).await;
            if matches!(changed, Ok(Ok(()))) && group.status().voters.len() == voters.len() {
                return true;
            }
        }
        false
    }

    /// None while local blocks are not open yet.
    async fn held(&self, replica: &ShardReplica) -> Option<Held> {
        let head = replica.shard.head();
        let closed = head.closed();
        let owed: Vec<u64> = closed.iter().filter(|one| !one.flushed).map(|one| one.number).collect();
        let flushed = closed.iter().filter(|one| one.flushed).map(|one| one.number).max();
        let mut found = Found::new();
        for tenant in tenants() {
            let snapshot = head.snapshot(&tenant, flushed.unwrap_or(0));
            if snapshot.opening {
                return None;
            }
            for masked in snapshot.parts {
                for series in part_series(masked.part).await {
                    self.add(&mut found, &self.checked(numbers(&tenant, &series)));
                }
            }
        }
        Some((head.open().number(), owed, found))
    }

    /// Flushes until nothing is left to flush, and waits until all have let go of it.
    async fn all_flushed(&self) {
        loop {
            sleep(LOOK).await;
            let voters = self.voters().await;
            let leader = voters.iter().find(|(_, one)| one.replica.shard.leads());
            if let Some((_, leader)) = leader {
                drop(leader.replica.shard.flush(true).await);
            }
            let is_empty = |(_, one): &(u64, Running)| {
                let head = one.replica.shard.head();
                head.open().is_empty() && head.closed().is_empty()
            };
            let mut nodes = self.nodes.lock().await;
            let files = nodes.iter_mut().filter(|node| node.id <= 3);
            let disks_are_free = files.map(|node| node.local_generations().len()).sum::<usize>() == 0;
            let purged = voters.iter().all(|(_, one)| one.journal.bounds(1).purged.is_some());
            if voters.iter().all(is_empty) && disks_are_free && purged {
                return;
            }
        }
    }

    /// All that was acknowledged is in the bucket, each generation in one block.
    async fn check_bucket(&self) {
        let (catalogs, mut blocks) = (self.around.catalogs(self.bucket.memory()), 0);
        for tenant in tenants() {
            let view = catalogs.tenant(&tenant).refresh(0).await.unwrap();
            blocks += view.blocks.len();
            let (before, mut found) = (self.acknowledged(&tenant), Found::new());
            self.add_blocks(&view, &mut found).await;
            self.around.history.read(&format!("the bucket in the end, of {tenant},"), &before, &found);
        }
        self.around.history.blocks(blocks);
    }
}

async fn part_series(part: HeadPart) -> Vec<SeriesSamples> {
    let mut all = Vec::new();
    match part {
        HeadPart::Memory(head) => {
            let mut cursor = head.select(&[], TimeRange::ALL, Detail::Samples);
            while let Some(batch) = cursor.next_batch(64, 4096) {
                all.extend(batch);
            }
        }
        HeadPart::Local(local) => {
            let open = Arc::clone(&local).open().await.unwrap();
            let mut batches = open.block().select(everything());
            while let Some(batch) = batches.next().await {
                all.extend(batch.unwrap());
            }
        }
    }
    all
}
