//! A bucket whose requests and replies take their time, each another one: what is under way overtakes each other, and a
//! process may be killed before a request takes place as well as before its reply is there.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use latewood_base::Rng;
use latewood_objstore::{Bucket, BucketError, BucketLayer};

/// The longest that a request or a reply takes, in milliseconds.
const MOST_MS: u64 = 40;

/// A bucket whose requests and replies take up to 40 ms each, another time each. Use it where time is paused.
#[derive(Debug)]
pub struct WaveringBucket {
    inner: Bucket,
    rng: Rng,
}

impl WaveringBucket {
    /// Before a bucket, its times from a seed.
    #[must_use]
    pub fn new(inner: Bucket, seed: u64) -> Arc<Self> {
        Arc::new(Self { inner, rng: Rng::seeded(seed) })
    }

    async fn go<T>(&self, request: impl Future<Output = T>) -> T {
        self.pause().await;
        let reply = request.await;
        self.pause().await;
        reply
    }

    async fn pause(&self) {
        tokio::time::sleep(Duration::from_millis(self.rng.below(MOST_MS))).await;
    }
}

#[async_trait]
impl BucketLayer for WaveringBucket {
    fn inner(&self) -> &Bucket {
        &self.inner
    }

    async fn put(&self, key: &str, body: Bytes) -> Result<(), BucketError> {
        self.go(self.inner.put(key, body)).await
    }

    async fn put_file(&self, key: &str, file: &Path) -> Result<(), BucketError> {
        self.go(self.inner.put_file(key, file)).await
    }

    async fn create(&self, key: &str, body: Bytes) -> Result<(), BucketError> {
        self.go(self.inner.create(key, body)).await
    }

    async fn get(&self, key: &str, max_bytes: u64) -> Result<Bytes, BucketError> {
        self.go(self.inner.get(key, max_bytes)).await
    }

    async fn get_ranges(&self, key: &str, ranges: &[Range<u64>]) -> Result<Vec<Bytes>, BucketError> {
        self.go(self.inner.get_ranges(key, ranges)).await
    }

    async fn delete(&self, key: &str) -> Result<(), BucketError> {
        self.go(self.inner.delete(key)).await
    }
}
