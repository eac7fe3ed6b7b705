//! What the bucket holds, block by block. Blocks never change, so each is read once.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use futures::TryStreamExt;
use latewood_base::Ulid;
use latewood_block::{Block, ReaderConfig, RollupColumns, RollupSpec, SelectSpec};
use latewood_catalog::{BlockEntry, View};
use latewood_model::rollup::SeriesRollups;
use latewood_model::{Resolution, SeriesSamples, TenantId, TimeRange};

use super::world::World;

/// What a block has, deletions aside.
pub(super) struct Contents {
    entry: Arc<BlockEntry>,
    pub(super) samples: Vec<SeriesSamples>,
    pub(super) rollups: Vec<SeriesRollups>,
}

#[derive(Default)]
pub(super) struct Stored(HashMap<Ulid, Contents>);

impl Stored {
    pub(super) fn of(&self, id: Ulid) -> &Contents {
        &self.0[&id]
    }

    /// Reads the blocks of a view that were not there before.
    pub(super) async fn take(&mut self, world: &World, view: &View) {
        for entry in view.blocks.values() {
            if let Entry::Vacant(place) = self.0.entry(entry.id) {
                place.insert(read(world, entry).await);
            }
        }
    }

    /// Forgets what a catalog does not name that was made anew: it may have been deleted in part.
    pub(super) fn forget_unnamed(&mut self, view: &View) {
        self.0.retain(|id, _| view.blocks.contains_key(id) || view.dead.contains_key(id));
    }

    /// Every block that is live, or that readers of older views may still read, has all its files.
    pub(super) async fn assert_files(&self, world: &World, view: &View) {
        let grace_ms = world.config.deletion_delay_seconds as i64 * 1_000;
        let now_ms = world.clock.now_ms();
        for (id, Contents { entry, .. }) in &self.0 {
            let is_read = |since_ms: i64| now_ms - since_ms < grace_ms;
            let is_needed =
                view.blocks.contains_key(id) || view.dead.get(id).is_some_and(|dead| is_read(dead.since_ms));
            let folder = entry.folder(&TenantId::anonymous());
            for file in entry.files.iter().filter(|_| is_needed) {
                let found = world.bucket.head(&format!("{folder}/{}", file.path)).await;
                let dead = view.dead.get(id);
                assert!(found.is_ok(), "{} of {}, {id}, {dead:?}, is gone", file.path, entry.resolution);
            }
        }
    }
}

async fn read(world: &World, entry: &Arc<BlockEntry>) -> Contents {
    let (bucket, folder) = (Arc::clone(&world.bucket), entry.folder(&TenantId::anonymous()));
    let block = Block::open(bucket, &folder, world.offload.clone(), ReaderConfig::default()).await.unwrap();
    let (mut samples, mut rollups) = (Vec::new(), Vec::new());
    if entry.resolution == Resolution::Raw {
        let all = SelectSpec {
            matchers: Vec::new(),
            range: TimeRange::ALL,
            skip_samples: false,
            skip_starts: false,
        };
        samples = block.select(all).try_collect::<Vec<_>>().await.unwrap();
    } else {
        let (matchers, columns) = (Vec::new(), RollupColumns::ALL);
        let all = RollupSpec { matchers, range: TimeRange::ALL, skip_windows: false, columns };
        rollups = block.select_rollups(all).try_collect::<Vec<_>>().await.unwrap();
    }
    let (samples, rollups) = (samples.concat(), rollups.concat());
    Contents { entry: Arc::clone(entry), samples, rollups }
}
