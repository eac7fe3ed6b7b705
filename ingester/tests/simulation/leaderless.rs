//! A shard that has lost the majority of its replicas: what is left answers from what it has, where it is asked to.

use std::time::Duration;

use latewood_base::{Kinded, Offload};
use latewood_cluster::{GroupConfig, Peer};
use latewood_ingester::store_api::IngesterStore;
use latewood_proto::store::{StoreApi, StoreError, wire};
use latewood_wal::testing::Loss;
use tokio::time::{sleep, timeout};

use crate::history::History;
use crate::node::Running;
use crate::reading::Found;
use crate::samples::tenants;
use crate::world::{World, folder, peer};

/// Longer than an election takes.
const PATIENCE: Duration = Duration::from_secs(30);
const LOOK: Duration = Duration::from_millis(20);

impl World {
    async fn running_one(&self, id: u64) -> Running {
        self.running().await.into_iter().find(|(node, _)| *node == id).unwrap().1
    }

    async fn leader(&self) -> (u64, Running) {
        loop {
            if let Some(leader) = self.running().await.into_iter().find(|(_, one)| one.replica.shard.leads())
            {
                return leader;
            }
            sleep(LOOK).await;
        }
    }

    /// Writes samples until they are acknowledged.
    async fn written(&self, count: u64) -> Vec<u32> {
        let numbers = self.around.history.number(count);
        while !self.write(&numbers).await {
            sleep(LOOK).await;
        }
        numbers
    }

    /// What a store has of all tenants.
    async fn all_of(&self, store: &IngesterStore, allow_stale: bool) -> Result<Found, StoreError> {
        let (catalogs, mut all) = (self.around.catalogs(self.bucket.memory()), Found::new());
        for tenant in tenants() {
            let view = catalogs.tenant(&tenant).refresh(0).await.unwrap();
            all.extend(self.head_of(store, &view, allow_stale).await?);
            self.add_blocks(&view, &mut all).await;
        }
        Ok(all)
    }

    async fn spans(&self, store: &IngesterStore, allow_stale: bool) -> Result<usize, StoreError> {
        let (tenant, shards) = (tenants()[0].to_string(), vec![self.around.shard]);
        let view = Some(wire::View { shards, allow_stale, ..wire::View::default() });
        Ok(store.spans(wire::SpansRequest { tenant, view }).await?.spans.len())
    }

    async fn lose_two_of_three(&self) {
        self.start_all().await;
        let voters: Vec<Peer> = (1..=3).map(peer).collect();
        for (_, running) in self.running().await.into_iter().take(3) {
            running.replica.group().form(&voters).await.unwrap();
        }
        let before = self.written(5).await;
        let (leader, _) = self.leader().await;
        let left = leader % 3 + 1;
        let store = self.running_one(left).await.replica.store;
        while self.running_one(left).await.replica.group().applied()
            < self.leader().await.1.replica.group().applied()
        {
            sleep(LOOK).await;
        }
        assert!(self.all_of(&store, true).await.is_err(), "a follower of a leader sends there");

        for node in self.nodes.lock().await.iter_mut().filter(|node| node.id != left) {
            node.kill(&self.around, Loss::Nothing);
        }
        let group = self.running_one(left).await.replica.group().clone();
        while !group.is_leaderless() {
            sleep(LOOK).await;
        }
        let patience = Duration::from_millis(2 * GroupConfig::default().election_timeout_ms);
        assert!(group.silence().unwrap() >= patience, "{:?}", group.silence());
        let refused = self.all_of(&store, false).await.unwrap_err();
        assert_eq!(refused.kind(), latewood_base::ErrorKind::Unavailable, "{refused}");
        assert!(self.spans(&store, false).await.is_err());
        let found = self.all_of(&store, true).await.unwrap();
        assert!(before.iter().all(|number| found.contains_key(number)), "{before:?} in {found:?}");
        assert!(self.spans(&store, true).await.unwrap() > 0);

        self.start_all().await;
        let after = self.written(5).await;
        let (leader, running) = self.leader().await;
        let found = self.all_of(&running.replica.store, false).await.unwrap();
        assert!(before.iter().chain(&after).all(|number| found.contains_key(number)), "{found:?}");
        let other = self.running_one(leader % 3 + 1).await;
        while other.replica.group().is_leaderless() {
            sleep(LOOK).await;
        }
        assert!(self.all_of(&other.replica.store, true).await.is_err(), "there is a leader again");
    }
}

#[test]
fn what_is_left_of_a_shard_answers_only_without_a_leader_and_only_where_it_may() {
    latewood_cluster::seed_chance(1);
    Offload::make_inline_here();
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let (history, dir) = (History::default(), folder());
    runtime.block_on(async {
        let world = World::new(1, None, &history, dir.path()).await;
        timeout(10 * PATIENCE, world.lose_two_of_three()).await.unwrap();
    });
}
