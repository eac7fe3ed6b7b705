//! What every bucket must do: one suite, run by every implementation.

use std::sync::Arc;

use bytes::Bytes;
use futures::TryStreamExt;
use latewood_base::{Ids, Ulid};

use crate::{Bucket, BucketError};

/// Runs the suite below a fresh folder of its own, which it clears away when all went well.
///
/// # Panics
/// When the bucket does not do what it must.
pub async fn check(bucket: &Bucket, ids: &Ids) {
    let suite =
        Suite { bucket: Arc::clone(bucket), folder: format!("conformance-{}", ids.next()), id: ids.next() };
    suite.objects_read_back_as_written().await;
    suite.missing_objects_are_not_found().await;
    suite.limits_and_ranges_hold().await;
    suite.create_is_exclusive().await;
    suite.concurrent_creates_have_one_winner().await;
    suite.files_are_uploaded().await;
    suite.listings_are_in_order().await;
    suite.odd_keys_are_refused().await;
    suite.clear().await;
}

struct Suite {
    bucket: Bucket,
    folder: String,
    id: Ulid,
}

/// More than one part of an upload.
const LARGE_FILE: usize = (33 << 20) + 7;

impl Suite {
    fn key(&self, name: &str) -> String {
        format!("{}/{name}", self.folder)
    }

    async fn keys(&self, prefix: &str, start_after: Option<&str>) -> Vec<String> {
        let listing = self.bucket.list(prefix, start_after);
        let keys = listing.map_ok(|info| info.key).try_collect().await;
        keys.expect("a listing works")
    }

    async fn objects_read_back_as_written(&self) {
        for (name, body) in [
            ("put", "one"),
            ("empty", ""),
            ("t!-_.*'()/raw/block=1/w=2026-01-01T00:00:00Z/p.parquet", "deep"),
        ] {
            let key = self.key(name);
            self.bucket.put(&key, Bytes::from(body)).await.expect("put works");
            assert_eq!(self.bucket.get(&key, 100).await.expect("get works"), body);
            let info = self.bucket.head(&key).await.expect("head works");
            assert_eq!((info.key, info.size), (key.clone(), body.len() as u64));
            self.bucket.put(&key, Bytes::from("new")).await.expect("put replaces");
            assert_eq!(self.bucket.get(&key, 100).await.expect("get works"), "new");
            self.bucket.delete(&key).await.expect("delete works");
            let gone = self.bucket.get(&key, 100).await;
            assert!(matches!(gone, Err(BucketError::NotFound { .. })), "{gone:?}");
        }
    }

    async fn missing_objects_are_not_found(&self) {
        let key = self.key("missing");
        let not_found = |error: BucketError| {
            assert_eq!(error, BucketError::NotFound { key: key.clone() });
        };
        not_found(self.bucket.get(&key, 10).await.expect_err("get of nothing"));
        not_found(self.bucket.head(&key).await.expect_err("head of nothing"));
        let ranges = self.bucket.get_ranges(&key, std::slice::from_ref(&(0..1))).await;
        not_found(ranges.expect_err("ranges of nothing"));
        self.bucket.delete(&key).await.expect("deleting nothing is no error");
        let below = self.bucket.get(&self.key("put/below"), 10).await;
        assert!(matches!(below, Err(BucketError::NotFound { .. })), "{below:?}");
    }

    async fn limits_and_ranges_hold(&self) {
        let key = self.key("ranges");
        let body: Bytes = (0..2_000_000_u32).map(|i| (i % 251) as u8).collect();
        self.bucket.put(&key, body.clone()).await.expect("put works");
        let too_large = self.bucket.get(&key, 1_999_999).await;
        assert!(matches!(too_large, Err(BucketError::TooLarge { size: 2_000_000, .. })), "{too_large:?}");
        let ranges = [1_500_000..2_000_000, 0..10, 5..20, 7..7, 900_000..900_001, 0..10];
        let bodies = self.bucket.get_ranges(&key, &ranges).await.expect("ranges work");
        let expected = ranges.iter().map(|r| body.slice(r.start as usize..r.end as usize));
        assert_eq!(bodies, expected.collect::<Vec<_>>());
        assert_eq!(self.bucket.get_ranges(&key, &[]).await, Ok(Vec::new()));
        for beyond in [1_999_990..2_000_001, 3_000_000..3_000_001] {
            let wrong = self.bucket.get_ranges(&key, std::slice::from_ref(&beyond)).await;
            assert!(matches!(wrong, Err(BucketError::Invalid { .. })), "{beyond:?}: {wrong:?}");
        }
    }

    async fn create_is_exclusive(&self) {
        let key = self.key("created");
        let create = |body: &'static str| self.bucket.create(&key, Bytes::from(body));
        create("first").await.expect("create of a free key works");
        assert_eq!(create("second").await, Err(BucketError::AlreadyExists { key: key.clone() }));
        assert_eq!(self.bucket.get(&key, 10).await.expect("get works"), "first");
        self.bucket.delete(&key).await.expect("delete works");
        create("third").await.expect("the key is free again");
        self.bucket.put(&key, Bytes::from("put")).await.expect("put replaces what was created");
        assert!(create("fourth").await.is_err());
    }

    async fn concurrent_creates_have_one_winner(&self) {
        for round in 0..5 {
            let key = self.key(&format!("race-{round}/{}", self.id));
            let writers = (0..12).map(|writer| {
                let (bucket, key) = (Arc::clone(&self.bucket), key.clone());
                tokio::spawn(
                    async move { bucket.create(&key, Bytes::from(format!("writer {writer}"))).await },
                )
            });
            let writers: Vec<_> = writers.collect();
            let mut winners = Vec::new();
            for (writer, task) in writers.into_iter().enumerate() {
                match task.await.expect("no writer panics") {
                    Ok(()) => winners.push(format!("writer {writer}")),
                    Err(BucketError::AlreadyExists { .. } | BucketError::Unavailable { .. }) => {}
                    Err(error) => panic!("{error}"),
                }
            }
            assert_eq!(winners.len(), 1, "{winners:?}");
            assert_eq!(self.bucket.get(&key, 100).await.expect("get works"), winners[0]);
        }
    }

    async fn files_are_uploaded(&self) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for size in [0, 5, LARGE_FILE] {
            let file = folder.path().join("file");
            let body: Vec<u8> = (0..size).map(|i| (i / 1_000 % 256) as u8).collect();
            std::fs::write(&file, &body).expect("a temporary file");
            let key = self.key("uploaded");
            self.bucket.put_file(&key, &file).await.expect("put_file works");
            let read = self.bucket.get(&key, 1 << 30).await.expect("get works");
            assert!(read == body, "a file of {size} bytes reads back as it was");
        }
        let missing = self.bucket.put_file(&self.key("x"), &folder.path().join("none")).await;
        assert!(matches!(missing, Err(BucketError::Invalid { .. })), "{missing:?}");
    }

    async fn listings_are_in_order(&self) {
        let folder = self.key("l");
        let flat: Vec<String> = (0..25).map(|number| format!("{folder}/{number:020}")).collect();
        let nested = ["a-b", "a/1", "b.c/3", "b/10", "b/2", "b0"].map(|name| format!("{folder}/{name}"));
        let beside = self.key("lx");
        for key in flat.iter().chain(&nested).chain([&beside]) {
            self.bucket.put(key, Bytes::from("x")).await.expect("put works");
        }
        let all = self.keys(&folder, None).await;
        // The order between folders is the store's own; digits come before all letters in any.
        assert_eq!(all[..flat.len()], flat);
        let mut sorted = all.clone();
        sorted.sort();
        assert_eq!(sorted[flat.len()..], nested);
        for after in [0, 7, flat.len() - 1] {
            assert_eq!(self.keys(&folder, Some(&flat[after])).await, all[after + 1..]);
        }
        assert_eq!(self.keys(&format!("{folder}/b"), None).await, nested[3..5]);
        assert_eq!(self.keys(&format!("{folder}/b"), Some(&nested[3])).await, nested[4..5]);
        assert_eq!(self.bucket.list_folders(&folder).await.expect("works"), ["a", "b", "b.c"]);
        assert_eq!(self.keys(&self.key("nothing"), None).await, Vec::<String>::new());
        assert_eq!(self.bucket.list_folders(&self.key("nothing")).await, Ok(Vec::new()));
        let top = self.bucket.list_folders("").await.expect("works");
        assert!(top.contains(&self.folder), "{top:?}");
    }

    async fn odd_keys_are_refused(&self) {
        for key in ["", "/a", "a/", "a//b", "../a", "a/./b", "a b", "ä", "a\nb", "a\\b"] {
            let refused = self.bucket.put(key, Bytes::new()).await;
            assert!(matches!(refused, Err(BucketError::Invalid { .. })), "{key:?}: {refused:?}");
        }
    }

    async fn clear(&self) {
        for key in self.keys(&self.folder, None).await {
            self.bucket.delete(&key).await.expect("delete works");
        }
        assert_eq!(self.keys(&self.folder, None).await, Vec::<String>::new());
    }
}
