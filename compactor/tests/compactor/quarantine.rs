//! A block that is damaged or missing keeps nobody from going on.

use bytes::Bytes;
use latewood_model::{Resolution, TenantId};
use latewood_objstore::ObjectClient;

use crate::world::{HOUR, World, minutely};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damaged_and_missing_blocks_are_set_aside_and_the_rest_goes_on() {
    for damage in ["samples", "meta.json", "index", "series.parquet", "missing"] {
        let mut world = World::new(3, 30);
        let hour = |name, from: i64| minutely(name, from * HOUR, 60);
        let (good, bad) = (world.flush(hour("good", 1)).await, world.flush(hour("bad", 1)).await);
        let other = world.flush(hour("good", 3)).await;
        let folder = bad.folder(&TenantId::anonymous());
        let file = bad.files.iter().find(|file| damage == "missing" || file.path.contains(damage)).unwrap();
        let key = format!("{folder}/{}", file.path);
        if damage == "missing" {
            world.bucket.delete(&key).await.unwrap();
        } else {
            let mut body = world.bucket.get(&key, 1 << 20).await.unwrap().to_vec();
            body.iter_mut().step_by(16).for_each(|byte| *byte ^= 0x10);
            world.bucket.put(&key, Bytes::from(body)).await.unwrap();
        }
        world.compactor().compact_once().await;
        let view = world.view().await;
        let marked: Vec<_> = view.no_compact.keys().copied().collect();
        assert_eq!(marked, [bad.id], "{damage}");
        assert!(view.no_compact[&bad.id].details.contains(&bad.id.to_string()), "it says which and why");
        assert!(view.blocks.contains_key(&bad.id), "queries go on reading it");
        assert!(!view.blocks.contains_key(&good.id) && !view.blocks.contains_key(&other.id), "{damage}");
        let raw = view.blocks.values().filter(|block| block.resolution == Resolution::Raw);
        assert_eq!(raw.count(), 2, "the others are one block");
        assert_eq!(view.blocks.len(), 5, "and downsampled");
    }
}
