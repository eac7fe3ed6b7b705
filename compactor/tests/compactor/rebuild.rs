//! A catalog that is made anew from the blocks answers as the one that was lost.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::TryStreamExt;
use latewood_blockstore::read_entry;
use latewood_catalog::View;
use latewood_model::{Resolution, SeriesSamples, TenantId, TimeRange};
use latewood_objstore::{Bucket, ObjectClient};

use crate::rollups;
use crate::world::{HOUR, World, minutely, series_of};

fn series(name: &str, from_hours: i64, hours: i64) -> Vec<SeriesSamples> {
    // Never at the border of a window.
    minutely(name, from_hours * HOUR + 7, hours * 60)
}

/// Deletes the log and makes it anew from the blocks that are there.
pub async fn lose_and_rebuild(world: &World) -> Arc<View> {
    let tenant = TenantId::anonymous();
    let log: Vec<_> = world.bucket.list("anonymous/catalog", None).try_collect().await.unwrap();
    for object in log {
        world.bucket.delete(&object.key).await.unwrap();
    }
    let catalog = world.catalog();
    let mut entries = Vec::new();
    for (resolution, id, _) in catalog.block_folders().await.unwrap() {
        let bucket: Bucket = Arc::clone(&world.bucket) as Bucket;
        entries.push(read_entry(&bucket, &tenant, resolution, id).await.unwrap());
    }
    catalog.rebuild(entries, &BTreeMap::new()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rebuilt_catalog_names_the_same_blocks_and_answers_the_same() {
    let mut world = World::new(11, 40 * 24);
    // The fourth has samples of two weeks.
    for (name, from, hours) in [("a", 1, 30), ("b", 3, 5), ("a", 31, 20), ("d", 160, 20), ("c", 400, 100)] {
        world.flush(series(name, from, hours)).await;
        world.compactor().compact_once().await;
    }
    // Late samples: the windows' blocks and rollups are replaced, and all generations of them are still there.
    world.hand.advance(Duration::from_secs(3_600));
    world.flush(series("late", 2, 40)).await;
    world.hand.advance(Duration::from_secs(30 * 3_600));
    world.compactor().compact_once().await;
    // One that is not compacted yet.
    world.flush(series("a", 600, 2)).await;
    let (before, answers) = (world.view().await, world.answers().await);
    assert!(before.dead.len() > 10, "replaced blocks are there still: {}", before.dead.len());

    let after = lose_and_rebuild(&world).await;
    assert_eq!(after.blocks, before.blocks, "windows, levels and lineages, too");
    let forgotten: Vec<_> = before.dead.keys().filter(|id| !after.dead.contains_key(id)).collect();
    assert_eq!(forgotten, Vec::<&latewood_base::Ulid>::new());
    assert_eq!(world.answers().await, answers);

    world.compactor().compact_once().await;
    assert_eq!(world.answers().await, answers);
    let view = world.view().await;
    let raw = view.blocks.values().filter(|block| block.resolution == Resolution::Raw);
    assert!(raw.clone().all(|block| !block.tail && block.range.overlaps(TimeRange::ALL)));
    for resolution in [Resolution::FiveMinutes, Resolution::OneHour, Resolution::OneDay] {
        let expected = rollups::expected(answers.values().map(series_of), resolution);
        rollups::assert_same(&world.rollups(resolution).await, &expected);
    }
}

#[tokio::test]
async fn a_description_of_another_block_is_refused() {
    let mut world = World::new(12, 40 * 24);
    let (one, other) = (world.flush(series("a", 1, 1)).await, world.flush(series("b", 1, 1)).await);
    let tenant = TenantId::anonymous();
    let key = |id| format!("{}/meta.json", latewood_catalog::block_folder(&tenant, Resolution::Raw, id));
    let moved = world.bucket.get(&key(one.id), 1 << 20).await.unwrap();
    world.bucket.put(&key(other.id), moved).await.unwrap();
    let bucket: Bucket = Arc::clone(&world.bucket) as Bucket;
    assert_eq!(read_entry(&bucket, &tenant, Resolution::Raw, one.id).await.unwrap(), one);
    let error = read_entry(&bucket, &tenant, Resolution::Raw, other.id).await.unwrap_err().to_string();
    assert!(error.contains(&one.id.to_string()), "{error}");
}
