//! A bucket at a distance: each request takes a while, each stream has its speed, and all are written down.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use latewood_base::Clock;
use latewood_objstore::{Bucket, BucketError, BucketLayer, ObjectInfo};
use parking_lot::Mutex;

use crate::Operation;

/// A request that a [`SlowBucket`] has answered, or one range of it.
#[derive(Clone, Debug)]
pub struct Asked {
    /// What was asked.
    pub operation: Operation,
    /// Of which object, or below which prefix.
    pub key: String,
    /// Bytes of the answer.
    pub bytes: usize,
    /// When it came and when it was answered, on the bucket's clock.
    pub took: Range<Duration>,
}

/// How many of these requests followed on one another: the longest chain of which each began after the one before had
/// ended.
#[must_use]
pub fn dependent_rounds<'a>(asked: impl IntoIterator<Item = &'a Asked>) -> usize {
    let mut times: Vec<&Range<Duration>> = asked.into_iter().map(|asked| &asked.took).collect();
    times.sort_by_key(|took| took.end);
    let (mut rounds, mut end) = (0, None);
    for took in times {
        if end.is_none_or(|end| took.start >= end) {
            rounds += 1;
            end = Some(took.end);
        }
    }
    rounds
}

/// A bucket at a distance. Writes are as fast as they are.
#[derive(Debug)]
pub struct SlowBucket {
    inner: Bucket,
    clock: Clock,
    latency: Duration,
    bytes_per_second: f64,
    asked: Mutex<Vec<Asked>>,
}

impl SlowBucket {
    /// Over a bucket that is near. Ranges of one request are one request each, side by side.
    #[must_use]
    pub fn new(inner: Bucket, clock: Clock, latency: Duration, bytes_per_second: f64) -> Arc<Self> {
        Arc::new(Self { inner, clock, latency, bytes_per_second, asked: Mutex::default() })
    }

    /// What was asked since this was last called.
    pub fn take_asked(&self) -> Vec<Asked> {
        std::mem::take(&mut *self.asked.lock())
    }

    async fn go<T>(
        &self,
        operation: Operation,
        key: &str,
        request: impl Future<Output = Result<T, BucketError>>,
        size: impl Fn(&T) -> usize,
    ) -> Result<T, BucketError> {
        let begun = self.clock.elapsed();
        let answer = request.await;
        let bytes = answer.as_ref().map_or(0, size);
        let transfer = Duration::from_secs_f64(bytes as f64 / self.bytes_per_second);
        tokio::time::sleep(self.latency + transfer).await;
        let asked = Asked { operation, key: key.to_owned(), bytes, took: begun..self.clock.elapsed() };
        self.asked.lock().push(asked);
        answer
    }
}

#[async_trait]
impl BucketLayer for SlowBucket {
    fn inner(&self) -> &Bucket {
        &self.inner
    }

    async fn get(&self, key: &str, max_bytes: u64) -> Result<Bytes, BucketError> {
        self.go(Operation::Get, key, self.inner.get(key, max_bytes), Bytes::len).await
    }

    async fn get_ranges(&self, key: &str, ranges: &[Range<u64>]) -> Result<Vec<Bytes>, BucketError> {
        let one = |range: &Range<u64>| {
            let range = range.clone();
            let request = async move {
                let mut bodies = self.inner.get_ranges(key, &[range]).await?;
                Ok(bodies.pop().unwrap_or_default())
            };
            self.go(Operation::GetRanges, key, request, Bytes::len)
        };
        futures::future::try_join_all(ranges.iter().map(one)).await
    }

    async fn head(&self, key: &str) -> Result<ObjectInfo, BucketError> {
        self.go(Operation::Head, key, self.inner.head(key), |_| 0).await
    }

    fn list(
        &self,
        prefix: &str,
        start_after: Option<&str>,
    ) -> BoxStream<'static, Result<ObjectInfo, BucketError>> {
        let now = self.clock.elapsed();
        let (operation, key) = (Operation::List, prefix.to_owned());
        self.asked.lock().push(Asked { operation, key, bytes: 0, took: now..now });
        self.inner.list(prefix, start_after)
    }

    async fn list_folders(&self, prefix: &str) -> Result<Vec<String>, BucketError> {
        self.go(Operation::ListFolders, prefix, self.inner.list_folders(prefix), |_| 0).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_runs_side_by_side_is_one_round() {
        let asked = |start, end| Asked {
            operation: Operation::Get,
            key: String::new(),
            bytes: 0,
            took: Duration::from_millis(start)..Duration::from_millis(end),
        };
        assert_eq!(dependent_rounds(&[]), 0);
        assert_eq!(dependent_rounds(&[asked(0, 20), asked(5, 30), asked(19, 21)]), 1);
        assert_eq!(dependent_rounds(&[asked(0, 20), asked(21, 40), asked(10, 30), asked(40, 41)]), 3);
    }
}
