//! A complete read: a pinned view's blocks, and the head of who leads under that view.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use latewood_base::{Offload, Ulid};
use latewood_block::{Block, ReaderConfig, SelectSpec};
use latewood_catalog::View;
use latewood_ingester::store_api::IngesterStore;
use latewood_model::{TenantId, TimeRange};
use latewood_proto::store::{StoreApi, StoreError, wire};
use tokio::time::{Instant, timeout};

use crate::samples::{numbers, tenant_of, tenants};
use crate::world::World;

/// The longest that a read waits.
const PATIENCE: Duration = Duration::from_secs(3);

/// How often each sample was found.
pub type Found = BTreeMap<u32, usize>;

pub fn everything() -> SelectSpec {
    SelectSpec { matchers: Vec::new(), range: TimeRange::ALL, skip_samples: false, skip_starts: false }
}

impl World {
    /// Reads now and then under views that are new or not.
    pub async fn reader(self) {
        let catalogs = self.around.catalogs(self.bucket.memory());
        let mut pinned = tenants().map(|tenant| (catalogs.tenant(&tenant), Vec::new()));
        while Instant::now() < self.end {
            self.pause(250).await;
            let (catalog, pinned) = &mut pinned[self.below(2)];
            pinned.push(catalog.refresh(0).await.unwrap());
            let age = self.around.rng.below(4).min(pinned.len() as u64 - 1);
            let view = Arc::clone(&pinned[pinned.len() - 1 - usize::try_from(age).unwrap()]);
            let Some((id, running)) = self.any().await else { continue };
            let before = self.acknowledged(&view.tenant);
            let answer = timeout(PATIENCE, self.head(&running.replica.store, &view)).await;
            if let Ok(Ok(mut found)) = answer {
                self.add_blocks(&view, &mut found).await;
                let who = format!("node {id} under version {} of {}", view.version, view.tenant);
                self.around.history.read(&who, &before, &found);
            } else if let Ok(Ok(mut found)) =
                timeout(PATIENCE, self.head_of(&running.replica.store, &view, true)).await
            {
                // It may lack what it does not know of; it has nothing twice.
                self.add_blocks(&view, &mut found).await;
                let who =
                    format!("node {id} without a leader, under version {} of {}", view.version, view.tenant);
                self.around.history.read(&who, &BTreeSet::new(), &found);
            }
        }
    }

    /// What was acknowledged of a tenant until now.
    pub fn acknowledged(&self, tenant: &TenantId) -> BTreeSet<u32> {
        let all = self.around.history.all_acknowledged().into_iter();
        all.filter(|number| tenant_of(*number) == *tenant).collect()
    }

    /// What a node answers under a view, as its leader.
    pub async fn head(&self, store: &IngesterStore, view: &View) -> Result<Found, StoreError> {
        self.head_of(store, view, false).await
    }

    /// What a node answers under a view; where nobody leads and it is asked for that, from what it has.
    pub async fn head_of(
        &self,
        store: &IngesterStore,
        view: &View,
        allow_stale: bool,
    ) -> Result<Found, StoreError> {
        let flushed = view.flushed.iter();
        let flushed = flushed.map(|(&shard, &generation)| wire::FlushedShard { shard, generation });
        let pinned = wire::View {
            version: view.version,
            flushed: flushed.collect(),
            shards: vec![self.around.shard],
            allow_stale,
            ..wire::View::default()
        };
        let scope = wire::Scope {
            tenant: view.tenant.to_string(),
            view: Some(pinned),
            matchers: Vec::new(),
            start_ms: i64::MIN,
            end_ms: i64::MAX,
        };
        let request = wire::SelectRequest { scope: Some(scope), ..wire::SelectRequest::default() };
        let (mut batches, mut found) = (store.select(request).await?, Found::new());
        while let Some(batch) = batches.next().await {
            for series in batch?.series {
                self.add(&mut found, &self.checked(numbers(&view.tenant, &series)));
            }
        }
        Ok(found)
    }

    /// Adds what the blocks of a view have, and looks whether any generation is there twice.
    pub async fn add_blocks(&self, view: &View, found: &mut Found) {
        let mut generations = BTreeMap::<_, Vec<Ulid>>::new();
        for entry in view.blocks.values() {
            generations.entry((entry.shard, entry.generation)).or_default().push(entry.id);
            let known = self.blocks.lock().get(&entry.id).cloned();
            let numbers = match known {
                Some(numbers) => numbers,
                None => self.read_block(entry.id, &view.tenant, &entry.folder(&view.tenant)).await,
            };
            self.add(found, &numbers);
        }
        for (generation, blocks) in generations.iter().filter(|(_, blocks)| blocks.len() > 1) {
            let text = format!("{generation:?} is in version {} as {blocks:?}", view.version);
            self.around.history.violation(text);
        }
    }

    async fn read_block(&self, id: Ulid, tenant: &TenantId, folder: &str) -> Arc<Vec<u32>> {
        let opened =
            Block::open(self.bucket.memory(), folder, Offload::inline(), ReaderConfig::default()).await;
        let mut all = Vec::new();
        match opened {
            Err(error) => self.around.history.violation(format!("{folder} cannot be opened: {error}")),
            Ok(block) => {
                let mut batches = block.select(everything());
                while let Some(batch) = batches.next().await {
                    let read = batch.map_err(|error| format!("{folder} cannot be read: {error}"));
                    for series in self.checked(read) {
                        all.extend(self.checked(numbers(tenant, &series)));
                    }
                }
            }
        }
        let all = Arc::new(all);
        self.blocks.lock().insert(id, Arc::clone(&all));
        all
    }

    /// What there is, or nothing and a violation.
    pub fn checked<T>(&self, found: Result<Vec<T>, String>) -> Vec<T> {
        found.unwrap_or_else(|text| {
            self.around.history.violation(text);
            Vec::new()
        })
    }

    pub fn add(&self, found: &mut Found, numbers: &[u32]) {
        for number in numbers {
            *found.entry(*number).or_default() += 1;
        }
    }
}
