//! A bucket that is slow, fails, loses replies, and carries out what it was asked by those who are dead since.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use latewood_base::{Clock, Rng};
use latewood_objstore::{Bucket, BucketError, MemoryBucket, ObjectClient, ObjectInfo};
use latewood_testkit::{Fault, FaultyBucket, Rule};
use parking_lot::Mutex;
use tokio::time::sleep;

use crate::history::History;

/// The bucket of all nodes. Clones share it.
#[derive(Clone, Debug)]
pub struct SlowBucket {
    memory: Bucket,
    faulty: Arc<FaultyBucket>,
    rng: Rng,
    history: History,
    /// The files of blocks, as they were written first.
    written: Arc<Mutex<BTreeMap<String, Bytes>>>,
}

impl SlowBucket {
    pub fn new(rng: &Rng, clock: &Clock, history: &History) -> Self {
        let memory: Bucket = Arc::new(MemoryBucket::with_clock(clock.clone()));
        let faulty = FaultyBucket::new(Arc::clone(&memory));
        Self { memory, faulty, rng: rng.clone(), history: history.clone(), written: Arc::default() }
    }

    /// What is in it, without its faults.
    pub fn memory(&self) -> Bucket {
        Arc::clone(&self.memory)
    }

    /// Some requests fail before they take place, and of others the replies are lost.
    pub fn fail(&self) {
        let any = |most: u64| usize::try_from(self.rng.below(most)).unwrap();
        let fault = if self.rng.below(2) == 0 { Fault::Before } else { Fault::After };
        self.faulty.add(Rule::new(fault).skip(any(4)).times(1 + any(12)));
    }

    /// All is well from now on.
    pub fn heal(&self) {
        self.faulty.heal();
    }

    async fn delay(&self) {
        let most = if self.rng.below(20) == 0 { 1_500 } else { 15 };
        sleep(Duration::from_millis(self.rng.below(most))).await;
    }

    /// A file of a block is the same however often it is written, and whoever writes it.
    fn check(&self, key: &str, body: &Bytes) {
        if !key.contains("/block=") {
            return;
        }
        let before = self.written.lock().insert(key.to_owned(), body.clone());
        if before.is_some_and(|before| before != *body) {
            self.history.violation(format!("{key} was written twice, and not with the same bytes"));
        }
    }

    /// Asks on its way: who asked may be dead when it arrives.
    async fn write(
        &self,
        request: impl Future<Output = Result<(), BucketError>> + Send + 'static,
    ) -> Result<(), BucketError> {
        let itself = self.clone();
        let going = tokio::spawn(async move {
            itself.delay().await;
            request.await
        });
        let written = going.await.unwrap();
        self.delay().await;
        written
    }
}

#[async_trait]
impl ObjectClient for SlowBucket {
    async fn put(&self, key: &str, body: Bytes) -> Result<(), BucketError> {
        let (itself, key) = (self.clone(), key.to_owned());
        self.write(async move {
            itself.check(&key, &body);
            itself.faulty.put(&key, body).await
        })
        .await
    }

    async fn put_file(&self, key: &str, file: &Path) -> Result<(), BucketError> {
        // On this thread: nothing may go on beside the simulation.
        let body = std::fs::read(file)
            .map_err(|error| BucketError::Invalid { key: key.to_owned(), message: error.to_string() })?;
        self.put(key, body.into()).await
    }

    async fn create(&self, key: &str, body: Bytes) -> Result<(), BucketError> {
        let (itself, key) = (self.clone(), key.to_owned());
        self.write(async move { itself.faulty.create(&key, body).await }).await
    }

    async fn get(&self, key: &str, max_bytes: u64) -> Result<Bytes, BucketError> {
        self.delay().await;
        self.faulty.get(key, max_bytes).await
    }

    async fn get_ranges(&self, key: &str, ranges: &[Range<u64>]) -> Result<Vec<Bytes>, BucketError> {
        self.delay().await;
        self.faulty.get_ranges(key, ranges).await
    }

    async fn head(&self, key: &str) -> Result<ObjectInfo, BucketError> {
        self.delay().await;
        self.faulty.head(key).await
    }

    async fn delete(&self, key: &str) -> Result<(), BucketError> {
        let (itself, key) = (self.clone(), key.to_owned());
        self.write(async move { itself.faulty.delete(&key).await }).await
    }

    fn list(
        &self,
        prefix: &str,
        start_after: Option<&str>,
    ) -> BoxStream<'static, Result<ObjectInfo, BucketError>> {
        self.faulty.list(prefix, start_after)
    }

    async fn list_folders(&self, prefix: &str) -> Result<Vec<String>, BucketError> {
        self.delay().await;
        self.faulty.list_folders(prefix).await
    }
}
