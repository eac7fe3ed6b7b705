//! Repeats requests that the bucket did not answer.
//!
//! Only what may be done twice is repeated. `create` is not: whether it took place is unknown, and a second
//! try would report our own success as [`BucketError::AlreadyExists`]. Its caller finds out by reading.
//! `put_file` is not either: a remote bucket repeats the parts by itself.

use std::ops::Range;
use std::path::Path;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;

use crate::backoff::Backoff;
use crate::{Bucket, BucketError, ObjectClient, ObjectInfo};

/// Repeats requests that the bucket did not answer, with growing pauses.
#[derive(Debug)]
pub(crate) struct Retrying {
    inner: Bucket,
    backoff: Backoff,
}

impl Retrying {
    pub(crate) fn new(inner: Bucket, backoff: Backoff) -> Self {
        Self { inner, backoff }
    }
}

#[async_trait]
impl ObjectClient for Retrying {
    async fn put(&self, key: &str, body: Bytes) -> Result<(), BucketError> {
        self.backoff.run(|| self.inner.put(key, body.clone())).await
    }

    async fn put_file(&self, key: &str, file: &Path) -> Result<(), BucketError> {
        self.inner.put_file(key, file).await
    }

    async fn create(&self, key: &str, body: Bytes) -> Result<(), BucketError> {
        self.inner.create(key, body).await
    }

    async fn get(&self, key: &str, max_bytes: u64) -> Result<Bytes, BucketError> {
        self.backoff.run(|| self.inner.get(key, max_bytes)).await
    }

    async fn get_ranges(&self, key: &str, ranges: &[Range<u64>]) -> Result<Vec<Bytes>, BucketError> {
        self.backoff.run(|| self.inner.get_ranges(key, ranges)).await
    }

    async fn head(&self, key: &str) -> Result<ObjectInfo, BucketError> {
        self.backoff.run(|| self.inner.head(key)).await
    }

    async fn delete(&self, key: &str) -> Result<(), BucketError> {
        self.backoff.run(|| self.inner.delete(key)).await
    }

    /// Only its beginning is tried again.
    fn list(
        &self,
        prefix: &str,
        start_after: Option<&str>,
    ) -> BoxStream<'static, Result<ObjectInfo, BucketError>> {
        crate::retry_listing::listing(
            self.inner.clone(),
            self.backoff.clone(),
            prefix.to_owned(),
            start_after.map(str::to_owned),
        )
    }

    async fn list_folders(&self, prefix: &str) -> Result<Vec<String>, BucketError> {
        self.backoff.run(|| self.inner.list_folders(prefix)).await
    }
}
