use std::os::unix::fs::FileExt;

use latewood_objstore::MemoryBucket;

use super::*;

const DISK: u64 = 4 * CacheConfig::DISK_UNIT_BYTES as u64;

async fn cached(inner: &Bucket, folder: &Path, config: CacheConfig) -> CachingBucket {
    CachingBucket::open(Arc::clone(inner), &config, folder, &mut Registry::default()).await.unwrap()
}

fn memory_alone(max_size_bytes: u64) -> CacheConfig {
    CacheConfig { max_size_bytes, disk_max_size_bytes: 0, ..CacheConfig::default() }
}

/// Hardly any memory, so that what is found is found on disk.
fn disk_alone() -> CacheConfig {
    CacheConfig { max_size_bytes: 1, disk_max_size_bytes: DISK, ..CacheConfig::default() }
}

/// A bucket with objects of bytes that say which they are.
async fn bucket(objects: u8, size: usize) -> Bucket {
    let bucket: Bucket = Arc::new(MemoryBucket::new());
    for number in 0..objects {
        bucket.put(&object(number), vec![number; size].into()).await.unwrap();
    }
    bucket
}

fn object(number: u8) -> String {
    format!("tenant/raw/block=1/{number}")
}

fn empty() -> Bucket {
    Arc::new(MemoryBucket::new())
}

#[tokio::test]
async fn what_was_read_is_not_asked_for_again() {
    let (inner, folder) = (bucket(2, 100).await, tempfile::tempdir().unwrap());
    let cached = cached(&inner, folder.path(), memory_alone(1 << 20)).await;
    let first = cached.get(&object(0), 1000).await.unwrap();
    cached.get_ranges(&object(1), &[0..10, 40..50]).await.unwrap();
    inner.delete(&object(0)).await.unwrap();
    assert_eq!(cached.get(&object(0), 1000).await.unwrap(), first);
    let ranges = cached.get_ranges(&object(1), &[40..50, 50..52, 0..10]).await.unwrap();
    assert_eq!(ranges.iter().map(Bytes::len).collect::<Vec<_>>(), [10, 2, 10]);
    inner.delete(&object(1)).await.unwrap();
    assert_eq!(cached.get_ranges(&object(1), &[50..52, 0..10]).await.unwrap().len(), 2);
    assert!(cached.get_ranges(&object(1), std::slice::from_ref(&(0..11))).await.is_err(), "another range");
    assert!(cached.get(&object(0), 99).await.is_err(), "more than was asked for");
}

#[tokio::test]
async fn memory_stays_below_its_cap_and_what_is_too_large_is_not_kept() {
    let (inner, folder) = (bucket(200, 1000).await, tempfile::tempdir().unwrap());
    let config = CacheConfig { max_item_size_bytes: 1000, ..memory_alone(40_000) };
    let cached = cached(&inner, folder.path(), config).await;
    for number in 0..200 {
        cached.get(&object(number), 1000).await.unwrap();
        assert!(cached.cache.memory().usage() <= 40_000);
    }
    assert!(cached.metrics.evictions.get() >= 150);
    inner.put("large", vec![0; 1001].into()).await.unwrap();
    cached.get("large", 2000).await.unwrap();
    inner.delete("large").await.unwrap();
    assert!(cached.get("large", 2000).await.is_err());
}

#[tokio::test]
async fn the_disk_survives_a_restart() {
    let (inner, folder) = (bucket(20, 5000).await, tempfile::tempdir().unwrap());
    let before = cached(&inner, folder.path(), disk_alone()).await;
    for number in 0..20 {
        before.get(&object(number), 5000).await.unwrap();
    }
    before.cache.close().await.unwrap();
    let after = cached(&empty(), folder.path(), disk_alone()).await;
    for number in 0..20 {
        assert_eq!(after.get(&object(number), 5000).await.unwrap(), vec![number; 5000]);
    }
}

#[tokio::test]
async fn what_was_damaged_on_disk_is_never_served() {
    let (inner, folder) = (bucket(40, 5000).await, tempfile::tempdir().unwrap());
    let before = cached(&inner, folder.path(), disk_alone()).await;
    for number in 0..40 {
        before.get(&object(number), 5000).await.unwrap();
    }
    before.cache.close().await.unwrap();
    drop(before);
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let file = std::fs::File::options().read(true).write(true).open(entry.unwrap().path()).unwrap();
        // A byte of each second page.
        for at in (3000..file.metadata().unwrap().len().min(1 << 20)).step_by(8192) {
            let mut byte = [0];
            file.read_exact_at(&mut byte, at).unwrap();
            file.write_all_at(&[byte[0] ^ 0x55], at).unwrap();
        }
    }
    let after = cached(&empty(), folder.path(), disk_alone()).await;
    let mut lost = 0;
    for number in 0..40 {
        match after.get(&object(number), 5000).await {
            Ok(body) => assert_eq!(body, vec![number; 5000]),
            Err(error) => {
                assert!(matches!(error, BucketError::NotFound { .. }), "{error}");
                lost += 1;
            }
        }
    }
    assert!(lost > 0, "something was damaged");
}

#[tokio::test]
async fn the_disk_stays_below_its_cap() {
    let (inner, folder) = (bucket(120, 1 << 20).await, tempfile::tempdir().unwrap());
    let cached = cached(&inner, folder.path(), disk_alone()).await;
    for number in 0..120 {
        cached.get(&object(number), 1 << 20).await.unwrap();
    }
    cached.cache.close().await.unwrap();
    let sizes =
        std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len());
    let whole: u64 = sizes.sum();
    assert!(whole > 0 && whole <= DISK, "{whole}");
}
