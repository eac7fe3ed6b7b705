//! The probe against buckets that do it wrong in the ways that real ones do.

use std::ops::Range;
use std::path::Path;

use async_trait::async_trait;

use futures::stream::BoxStream;
use latewood_base::{Clock, Rng};
use parking_lot::Mutex;

use super::*;
use crate::{MemoryBucket, ObjectClient, ObjectInfo, Proven};

#[derive(Clone, Copy, Debug)]
enum Fault {
    None,
    /// The condition is ignored, as by Garage.
    Ignores,
    /// The condition is checked, then the object is written without a lock, as by s3s-fs.
    Races,
    /// The condition is answered and the object replaced all the same.
    RefusesAndReplaces,
    /// The bucket does not answer.
    Unavailable,
}

#[derive(Debug)]
struct Wrong(MemoryBucket, Mutex<Fault>);

#[async_trait]
impl ObjectClient for Wrong {
    async fn put(&self, key: &str, body: Bytes) -> Result<(), BucketError> {
        self.0.put(key, body).await
    }
    async fn put_file(&self, key: &str, file: &Path) -> Result<(), BucketError> {
        self.0.put_file(key, file).await
    }
    async fn create(&self, key: &str, body: Bytes) -> Result<(), BucketError> {
        let fault = *self.1.lock();
        match fault {
            Fault::None => self.0.create(key, body).await,
            Fault::Ignores => self.0.put(key, body).await,
            Fault::Races => {
                let taken = self.0.head(key).await.is_ok();
                tokio::task::yield_now().await;
                if taken {
                    return Err(BucketError::AlreadyExists { key: key.to_owned() });
                }
                self.0.put(key, body).await
            }
            Fault::RefusesAndReplaces => {
                let outcome = self.0.create(key, body.clone()).await;
                self.0.put(key, body).await?;
                outcome
            }
            Fault::Unavailable => {
                Err(BucketError::Unavailable { key: key.to_owned(), message: "off".to_owned() })
            }
        }
    }
    async fn get(&self, key: &str, max_bytes: u64) -> Result<Bytes, BucketError> {
        self.0.get(key, max_bytes).await
    }
    async fn get_ranges(&self, key: &str, ranges: &[Range<u64>]) -> Result<Vec<Bytes>, BucketError> {
        self.0.get_ranges(key, ranges).await
    }
    async fn head(&self, key: &str) -> Result<ObjectInfo, BucketError> {
        self.0.head(key).await
    }
    async fn delete(&self, key: &str) -> Result<(), BucketError> {
        self.0.delete(key).await
    }
    fn list(
        &self,
        prefix: &str,
        start_after: Option<&str>,
    ) -> BoxStream<'static, Result<ObjectInfo, BucketError>> {
        self.0.list(prefix, start_after)
    }
    async fn list_folders(&self, prefix: &str) -> Result<Vec<String>, BucketError> {
        self.0.list_folders(prefix).await
    }
}

async fn probed(fault: Fault) -> Result<(), ProbeError> {
    let bucket: Bucket = Arc::new(Wrong(MemoryBucket::new(), Mutex::new(fault)));
    let (clock, _) = Clock::manual(0);
    let result = probe(&bucket, &Ids::new(clock, Rng::seeded(1))).await;
    assert_eq!(bucket.list("", None).count().await, 0, "it clears up: {fault:?}");
    result
}

#[tokio::test]
async fn only_a_bucket_that_lets_one_writer_win_passes() {
    assert_eq!(probed(Fault::None).await, Ok(()));
    for fault in [Fault::Ignores, Fault::Races, Fault::RefusesAndReplaces] {
        let error = probed(fault).await.unwrap_err();
        assert!(matches!(error, ProbeError::NotExclusive { .. }), "{fault:?}: {error}");
        assert!(error.to_string().contains("If-None-Match"), "{error}");
    }
}

#[tokio::test]
async fn a_bucket_that_does_not_answer_is_not_called_wrong() {
    let error = probed(Fault::Unavailable).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
}

#[tokio::test(start_paused = true)]
async fn a_create_that_was_not_answered_is_left_to_its_caller() {
    let bucket: Bucket = Arc::new(Wrong(MemoryBucket::new(), Mutex::new(Fault::Unavailable)));
    let backoff = crate::backoff::Backoff::new(&crate::BucketConfig::default(), Rng::seeded(1));
    let retrying = crate::retry::Retrying::new(bucket, backoff);
    let begun = tokio::time::Instant::now();
    let outcome = retrying.create("k", Bytes::new()).await;
    assert!(matches!(outcome, Err(BucketError::Unavailable { .. })), "{outcome:?}");
    assert_eq!(begun.elapsed(), std::time::Duration::ZERO, "no second try");
}

#[tokio::test]
async fn nothing_is_created_before_the_bucket_has_answered_and_been_found_right() {
    let wrong = Arc::new(Wrong(MemoryBucket::new(), Mutex::new(Fault::Unavailable)));
    let (clock, _) = Clock::manual(0);
    let proven = Proven::new(wrong.clone(), Ids::new(clock, Rng::seeded(1)));
    let away = proven.create("k", Bytes::new()).await;
    assert!(matches!(away, Err(BucketError::Unavailable { .. })), "{away:?}");
    assert_eq!(proven.list("", None).count().await, 0);
    *wrong.1.lock() = Fault::None;
    assert_eq!(proven.create("k", Bytes::new()).await, Ok(()));
    *wrong.1.lock() = Fault::Unavailable;
    assert_eq!(proven.prove().await, Ok(()), "proved once");
}

#[tokio::test(start_paused = true)]
async fn a_bucket_that_comes_back_wrong_is_refuted_and_refuses_for_good() {
    let wrong = Arc::new(Wrong(MemoryBucket::new(), Mutex::new(Fault::Unavailable)));
    let (clock, _) = Clock::manual(0);
    let proven = Arc::new(Proven::new(wrong.clone(), Ids::new(clock, Rng::seeded(1))));
    let refuted = tokio::spawn({
        let proven = Arc::clone(&proven);
        async move { proven.refuted().await }
    });
    tokio::time::sleep(std::time::Duration::from_secs(60)).await;
    assert!(!refuted.is_finished());
    *wrong.1.lock() = Fault::Ignores;
    assert!(matches!(refuted.await.unwrap(), ProbeError::NotExclusive { .. }));
    *wrong.1.lock() = Fault::None;
    let refused = proven.create("k", Bytes::new()).await;
    assert!(matches!(refused, Err(BucketError::Denied { .. })), "{refused:?}");
}

#[tokio::test]
async fn who_only_reads_leaves_nothing_behind_and_needs_the_right_to_list_alone() {
    let bucket: Bucket = Arc::new(MemoryBucket::new());
    reach(&bucket).await.unwrap();
    assert!(bucket.list("", None).next().await.is_none());
    let closed: Bucket = Arc::new(Closed(Arc::clone(&bucket)));
    let error = reach(&closed).await.unwrap_err();
    assert_eq!(error, BucketError::Denied { key: FOLDER.to_owned(), message: "closed".to_owned() });
}

/// Lets nobody list.
#[derive(Debug)]
struct Closed(Bucket);

impl crate::BucketLayer for Closed {
    fn inner(&self) -> &Bucket {
        &self.0
    }

    fn list(&self, prefix: &str, _: Option<&str>) -> BoxStream<'static, Result<ObjectInfo, BucketError>> {
        let denied = BucketError::Denied { key: prefix.to_owned(), message: "closed".to_owned() };
        futures::stream::iter([Err(denied)]).boxed()
    }
}
