//! What goes wrong.

use std::collections::BTreeSet;
use std::time::Duration;

use latewood_cluster::Peer;
use latewood_wal::testing::Loss;
use tokio::time::{Instant, sleep, timeout};

use crate::world::{World, peer};

impl World {
    pub async fn enemy(self) {
        let history = self.around.history.clone();
        while Instant::now() < self.end {
            self.pause(800).await;
            self.revive().await;
            let blow = self.around.rng.below(14);
            history.note(&("blow", blow));
            match blow {
                0..=2 => self.crash().await,
                3 => self.part().await,
                4 => self.around.wires.lose(self.around.rng.below(30)),
                5 => self.slow_disk().await,
                6 => self.failing_disk().await,
                7 => self.freeze().await,
                8 | 9 => self.hand_over().await,
                10 => self.change_voters().await,
                11 => self.bucket.fail(),
                12 => self.full_disk().await,
                _ => self.bucket.heal(),
            }
        }
        self.around.wires.part(BTreeSet::new());
        self.around.wires.lose(0);
        self.bucket.heal();
    }

    /// Most of those that died are back soon: there is little to see where nobody leads.
    async fn revive(&self) {
        let mut nodes = self.nodes.lock().await;
        for node in nodes.iter_mut().filter(|node| node.running.is_none()) {
            if self.around.rng.below(2) == 0 {
                node.start(&self.around).await;
            }
        }
    }

    async fn crash(&self) {
        let loss = [Loss::Nothing, Loss::All, Loss::Torn, Loss::Sectors];
        let mut nodes = self.nodes.lock().await;
        let which = self.below(nodes.len());
        let node = &mut nodes[which];
        if node.running.is_some() {
            node.kill(&self.around, loss[self.below(4)]);
        } else {
            node.start(&self.around).await;
        }
    }

    async fn part(&self) {
        let ids: Vec<u64> = self.nodes.lock().await.iter().map(|node| node.id).collect();
        self.around.wires.part(ids.into_iter().filter(|_| self.around.rng.below(2) == 0).collect());
    }

    async fn slow_disk(&self) {
        for node in self.nodes.lock().await.iter() {
            if self.around.rng.below(3) == 0 {
                node.disk.take_ms(400);
            } else {
                node.disk.recover();
            }
        }
    }

    /// Nobody needs to be started again for it.
    async fn full_disk(&self) {
        for node in self.nodes.lock().await.iter() {
            match self.around.rng.below(3) {
                0 => node.disk.fill(),
                _ => node.disk.make_room(),
            }
        }
    }

    /// A disk that fails a sync costs the process.
    async fn failing_disk(&self) {
        let mut nodes = self.nodes.lock().await;
        let which = self.below(nodes.len());
        let node = &mut nodes[which];
        if node.running.is_none() {
            return;
        }
        node.disk.files.fail_next_sync();
        sleep(Duration::from_millis(self.around.rng.below(500))).await;
        node.kill(&self.around, Loss::All);
        node.start(&self.around).await;
    }

    /// Ends a generation before its time.
    async fn freeze(&self) {
        let Some((_, running)) = self.any().await else { return };
        let frozen = timeout(Duration::from_secs(2), running.replica.shard.flush(false)).await;
        self.around.history.note(&matches!(frozen, Ok(Ok(()))));
    }

    async fn hand_over(&self) {
        let ids: Vec<u64> = self.nodes.lock().await.iter().map(|node| node.id).collect();
        let to = ids[self.below(ids.len())];
        for group in self.leading().await {
            drop(timeout(Duration::from_secs(2), group.hand_over(to)).await);
        }
    }

    async fn change_voters(&self) {
        let mut ids: Vec<u64> = self.nodes.lock().await.iter().map(|node| node.id).collect();
        while ids.len() > 3 {
            ids.remove(self.below(ids.len()));
        }
        let voters: Vec<Peer> = ids.into_iter().map(peer).collect();
        for group in self.leading().await {
            drop(timeout(Duration::from_secs(3), group.change_voters(&voters)).await);
        }
    }
}
