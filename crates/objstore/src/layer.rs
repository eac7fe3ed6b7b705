//! What stands before a bucket and changes some of what it does.

use std::ops::Range;
use std::path::Path;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;

use crate::{Bucket, BucketError, ObjectClient, ObjectInfo};

/// A bucket before another one. What it does not do in its own way, the other one does: see [`ObjectClient`] for what.
#[async_trait]
#[allow(missing_docs, reason = "the methods are those of ObjectClient")]
pub trait BucketLayer: Send + Sync + std::fmt::Debug + 'static {
    /// The other one.
    fn inner(&self) -> &Bucket;

    async fn put(&self, key: &str, body: Bytes) -> Result<(), BucketError> {
        self.inner().put(key, body).await
    }

    async fn put_file(&self, key: &str, file: &Path) -> Result<(), BucketError> {
        self.inner().put_file(key, file).await
    }

    async fn create(&self, key: &str, body: Bytes) -> Result<(), BucketError> {
        self.inner().create(key, body).await
    }

    async fn get(&self, key: &str, max_bytes: u64) -> Result<Bytes, BucketError> {
        self.inner().get(key, max_bytes).await
    }

    async fn get_ranges(&self, key: &str, ranges: &[Range<u64>]) -> Result<Vec<Bytes>, BucketError> {
        self.inner().get_ranges(key, ranges).await
    }

    async fn head(&self, key: &str) -> Result<ObjectInfo, BucketError> {
        self.inner().head(key).await
    }

    async fn delete(&self, key: &str) -> Result<(), BucketError> {
        self.inner().delete(key).await
    }

    fn list(
        &self,
        prefix: &str,
        start_after: Option<&str>,
    ) -> BoxStream<'static, Result<ObjectInfo, BucketError>> {
        self.inner().list(prefix, start_after)
    }

    async fn list_folders(&self, prefix: &str) -> Result<Vec<String>, BucketError> {
        self.inner().list_folders(prefix).await
    }
}

#[async_trait]
impl<T: BucketLayer> ObjectClient for T {
    async fn put(&self, key: &str, body: Bytes) -> Result<(), BucketError> {
        BucketLayer::put(self, key, body).await
    }

    async fn put_file(&self, key: &str, file: &Path) -> Result<(), BucketError> {
        BucketLayer::put_file(self, key, file).await
    }

    async fn create(&self, key: &str, body: Bytes) -> Result<(), BucketError> {
        BucketLayer::create(self, key, body).await
    }

    async fn get(&self, key: &str, max_bytes: u64) -> Result<Bytes, BucketError> {
        BucketLayer::get(self, key, max_bytes).await
    }

    async fn get_ranges(&self, key: &str, ranges: &[Range<u64>]) -> Result<Vec<Bytes>, BucketError> {
        BucketLayer::get_ranges(self, key, ranges).await
    }

    async fn head(&self, key: &str) -> Result<ObjectInfo, BucketError> {
        BucketLayer::head(self, key).await
    }

    async fn delete(&self, key: &str) -> Result<(), BucketError> {
        BucketLayer::delete(self, key).await
    }

    fn list(
        &self,
        prefix: &str,
        start_after: Option<&str>,
    ) -> BoxStream<'static, Result<ObjectInfo, BucketError>> {
        BucketLayer::list(self, prefix, start_after)
    }

    async fn list_folders(&self, prefix: &str) -> Result<Vec<String>, BucketError> {
        BucketLayer::list_folders(self, prefix).await
    }
}
