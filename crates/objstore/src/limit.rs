//! A bound on how many requests run at once.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt, stream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{Bucket, BucketError, ObjectClient, ObjectInfo};

/// Lets at most so many requests run at once; further ones wait in order of arrival. An upload in
/// parts counts as one; a listing takes a place only to begin.
#[derive(Debug)]
pub(crate) struct Limited {
    inner: Bucket,
    places: Arc<Semaphore>,
}

impl Limited {
    pub(crate) fn new(inner: Bucket, width: usize) -> Self {
        let places = Arc::new(Semaphore::new(width.clamp(1, Semaphore::MAX_PERMITS)));
        Self { inner, places }
    }

    async fn place(&self, key: &str) -> Result<OwnedSemaphorePermit, BucketError> {
        enter(Arc::clone(&self.places), key).await
    }
}

async fn enter(places: Arc<Semaphore>, key: &str) -> Result<OwnedSemaphorePermit, BucketError> {
    // Nobody closes the semaphore; should somebody, the caller hears of it.
    places.acquire_owned().await.map_err(|_| BucketError::Unavailable {
        key: key.to_owned(),
        message: "the bucket is closed".to_owned(),
    })
}

#[async_trait]
impl ObjectClient for Limited {
    async fn put(&self, key: &str, body: Bytes) -> Result<(), BucketError> {
        let _place = self.place(key).await?;
        self.inner.put(key, body).await
    }

    async fn put_file(&self, key: &str, file: &Path) -> Result<(), BucketError> {
        let _place = self.place(key).await?;
        self.inner.put_file(key, file).await
    }

    async fn create(&self, key: &str, body: Bytes) -> Result<(), BucketError> {
        let _place = self.place(key).await?;
        self.inner.create(key, body).await
    }

    async fn get(&self, key: &str, max_bytes: u64) -> Result<Bytes, BucketError> {
        let _place = self.place(key).await?;
        self.inner.get(key, max_bytes).await
    }

    async fn get_ranges(&self, key: &str, ranges: &[Range<u64>]) -> Result<Vec<Bytes>, BucketError> {
        let _place = self.place(key).await?;
        self.inner.get_ranges(key, ranges).await
    }

    async fn head(&self, key: &str) -> Result<ObjectInfo, BucketError> {
        let _place = self.place(key).await?;
        self.inner.head(key).await
    }

    async fn delete(&self, key: &str) -> Result<(), BucketError> {
        let _place = self.place(key).await?;
        self.inner.delete(key).await
    }

    /// Holds no place: its reader may make other requests between two keys, which would wait for it.
    fn list(
        &self,
        prefix: &str,
        start_after: Option<&str>,
    ) -> BoxStream<'static, Result<ObjectInfo, BucketError>> {
        let listing = self.inner.list(prefix, start_after);
        let (places, key) = (Arc::clone(&self.places), prefix.to_owned());
        // It begins only when there is a place, so that many listings at once still queue.
        let begin = async move { enter(places, &key).await.map(|_place| listing) };
        stream::once(begin).try_flatten().boxed()
    }

    async fn list_folders(&self, prefix: &str) -> Result<Vec<String>, BucketError> {
        let _place = self.place(prefix).await?;
        self.inner.list_folders(prefix).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MemoryBucket;

    #[tokio::test]
    async fn a_request_beyond_the_limit_waits_for_a_place() {
        let limited = Arc::new(Limited::new(Arc::new(MemoryBucket::new()), 1));
        let held = limited.place("").await.unwrap();
        let waiting = {
            let limited = Arc::clone(&limited);
            tokio::spawn(async move { limited.put("a", Bytes::new()).await })
        };
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(held);
        assert_eq!(waiting.await.unwrap(), Ok(()));
    }

    #[tokio::test]
    async fn requests_may_be_made_while_a_listing_is_read() {
        let limited = Limited::new(Arc::new(MemoryBucket::new()), 1);
        limited.put("a", Bytes::new()).await.unwrap();
        limited.put("b", Bytes::new()).await.unwrap();
        let mut listing = limited.list("", None);
        while let Some(info) = listing.next().await {
            limited.delete(&info.unwrap().key).await.unwrap();
        }
        assert_eq!(limited.list("", None).count().await, 0);
    }
}
