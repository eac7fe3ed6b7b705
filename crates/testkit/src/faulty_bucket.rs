//! A bucket that fails as told, or by chance from a seed.
//!
//! What fails: a request before it reaches the bucket, a request whose reply is lost after it took place, a
//! request that hangs until it is let go. Nothing is ever torn: real stores write objects whole.

use std::future::Future;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use latewood_base::Rng;
use latewood_objstore::{Bucket, BucketError, ObjectClient, ObjectInfo};
use parking_lot::Mutex;
use tokio::sync::watch;

/// What is asked of a bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "named as the functions of ObjectClient")]
pub enum Operation {
    Put,
    PutFile,
    Create,
    Get,
    GetRanges,
    Head,
    Delete,
    List,
    ListFolders,
}

/// What goes wrong.
#[derive(Clone, Debug)]
pub enum Fault {
    /// The request fails and nothing took place.
    Before,
    /// The request took place and its reply is lost.
    After,
    /// The request waits at the gate, then takes place.
    Hold(Gate),
}

/// Holds requests until it is opened.
#[derive(Clone, Debug)]
pub struct Gate {
    open: Arc<watch::Sender<bool>>,
    waiting: Arc<watch::Sender<usize>>,
}

impl Gate {
    /// A closed gate.
    #[must_use]
    pub fn closed() -> Self {
        Self { open: Arc::new(watch::Sender::new(false)), waiting: Arc::new(watch::Sender::new(0)) }
    }

    /// Lets go all that wait, now and later.
    pub fn open(&self) {
        self.open.send_replace(true);
    }

    /// Resolves when so many requests have come to the gate.
    pub async fn reached(&self, count: usize) {
        let mut waiting = self.waiting.subscribe();
        // The sender lives in `self`.
        let _ = waiting.wait_for(|arrived| *arrived >= count).await;
    }

    async fn pass(&self) {
        self.waiting.send_modify(|arrived| *arrived += 1);
        let mut open = self.open.subscribe();
        let _ = open.wait_for(|open| *open).await;
    }
}

/// When a scripted fault strikes.
#[derive(Clone, Debug)]
pub struct Rule {
    operation: Option<Operation>,
    key_part: String,
    skip: usize,
    times: usize,
    fault: Fault,
}

impl Rule {
    /// Strikes every request.
    #[must_use]
    pub fn new(fault: Fault) -> Self {
        Self { operation: None, key_part: String::new(), skip: 0, times: usize::MAX, fault }
    }

    /// Only requests of this kind.
    #[must_use]
    pub fn on(self, operation: Operation) -> Self {
        Self { operation: Some(operation), ..self }
    }

    /// Only keys that contain this text.
    #[must_use]
    pub fn key(self, part: &str) -> Self {
        Self { key_part: part.to_owned(), ..self }
    }

    /// Lets so many that fit go by first.
    #[must_use]
    pub fn skip(self, count: usize) -> Self {
        Self { skip: count, ..self }
    }

    /// At most so many.
    #[must_use]
    pub fn times(self, count: usize) -> Self {
        Self { times: count, ..self }
    }

    fn strike(&mut self, operation: Operation, key: &str) -> Option<Fault> {
        let fits = self.operation.is_none_or(|wanted| wanted == operation) && key.contains(&self.key_part);
        if !fits || self.times == 0 {
            return None;
        }
        if self.skip > 0 {
            self.skip -= 1;
            return None;
        }
        self.times -= 1;
        Some(self.fault.clone())
    }
}

/// How likely each request fails, from 0 to 1.
#[derive(Clone, Copy, Debug, Default)]
pub struct Chances {
    /// Before it takes place.
    pub before: f64,
    /// After it took place.
    pub after: f64,
    /// By what both are multiplied for requests that only read; 0 is never.
    pub read_factor: f64,
}

impl Chances {
    fn of(self, operation: Operation) -> (f64, f64) {
        use Operation::{Create, Delete, Put, PutFile};
        let factor = match operation {
            Put | PutFile | Create | Delete => 1.0,
            _ => self.read_factor,
        };
        (self.before * factor, self.after * factor)
    }
}

#[derive(Debug, Default)]
struct State {
    rules: Vec<Rule>,
    chances: Chances,
    struck: usize,
    requests: Vec<(Operation, String)>,
}

/// A bucket that fails as told, or by chance from a seed. The same seed and the same requests in the same
/// order give the same faults.
#[derive(Debug)]
pub struct FaultyBucket {
    inner: Bucket,
    rng: Rng,
    state: Mutex<State>,
}

impl FaultyBucket {
    /// A bucket that does not fail until it is told to.
    #[must_use]
    pub fn new(inner: Bucket) -> Arc<Self> {
        Self::seeded(inner, 0, Chances::default())
    }

    /// A bucket that fails by chance.
    #[must_use]
    pub fn seeded(inner: Bucket, seed: u64, chances: Chances) -> Arc<Self> {
        let state = State { chances, ..State::default() };
        Arc::new(Self { inner, rng: Rng::seeded(seed), state: Mutex::new(state) })
    }

    /// Adds a rule; the first that fits a request strikes, before chance does.
    pub fn add(&self, rule: Rule) {
        self.state.lock().rules.push(rule);
    }

    /// No rules and no chances from now on.
    pub fn heal(&self) {
        let mut state = self.state.lock();
        state.rules.clear();
        state.chances = Chances::default();
    }

    /// How many faults have struck.
    #[must_use]
    pub fn struck(&self) -> usize {
        self.state.lock().struck
    }

    /// The requests so far, in the order in which they came.
    #[must_use]
    pub fn requests(&self) -> Vec<(Operation, String)> {
        self.state.lock().requests.clone()
    }

    fn fault(&self, operation: Operation, key: &str) -> Option<Fault> {
        let mut state = self.state.lock();
        state.requests.push((operation, key.to_owned()));
        let mut fault = state.rules.iter_mut().find_map(|rule| rule.strike(operation, key));
        let (before, after) = state.chances.of(operation);
        if fault.is_none() && before + after > 0.0 {
            let drawn = self.rng.unit();
            if drawn < before {
                fault = Some(Fault::Before);
            } else if drawn < before + after {
                fault = Some(Fault::After);
            }
        }
        state.struck += usize::from(fault.is_some());
        fault
    }

    async fn go<T: Send>(
        &self,
        operation: Operation,
        key: &str,
        request: impl Future<Output = Result<T, BucketError>> + Send,
    ) -> Result<T, BucketError> {
        match self.fault(operation, key) {
            None => request.await,
            Some(Fault::Before) => Err(unavailable(key, "injected: the request was lost")),
            Some(Fault::After) => match request.await {
                Ok(_) => Err(unavailable(key, "injected: the reply was lost")),
                Err(error) => Err(error),
            },
            Some(Fault::Hold(gate)) => {
                gate.pass().await;
                request.await
            }
        }
    }
}

fn unavailable(key: &str, message: &str) -> BucketError {
    BucketError::Unavailable { key: key.to_owned(), message: message.to_owned() }
}

#[async_trait]
impl ObjectClient for FaultyBucket {
    async fn put(&self, key: &str, body: Bytes) -> Result<(), BucketError> {
        self.go(Operation::Put, key, self.inner.put(key, body)).await
    }

    async fn put_file(&self, key: &str, file: &Path) -> Result<(), BucketError> {
        self.go(Operation::PutFile, key, self.inner.put_file(key, file)).await
    }

    async fn create(&self, key: &str, body: Bytes) -> Result<(), BucketError> {
        self.go(Operation::Create, key, self.inner.create(key, body)).await
    }

    async fn get(&self, key: &str, max_bytes: u64) -> Result<Bytes, BucketError> {
        self.go(Operation::Get, key, self.inner.get(key, max_bytes)).await
    }

    async fn get_ranges(&self, key: &str, ranges: &[Range<u64>]) -> Result<Vec<Bytes>, BucketError> {
        let request = self.inner.get_ranges(key, ranges);
        self.go(Operation::GetRanges, key, request).await
    }

    async fn head(&self, key: &str) -> Result<ObjectInfo, BucketError> {
        self.go(Operation::Head, key, self.inner.head(key)).await
    }

    async fn delete(&self, key: &str) -> Result<(), BucketError> {
        self.go(Operation::Delete, key, self.inner.delete(key)).await
    }

    /// A lost request fails before the first object, a lost reply after the last.
    fn list(
        &self,
        prefix: &str,
        start_after: Option<&str>,
    ) -> BoxStream<'static, Result<ObjectInfo, BucketError>> {
        let listing = self.inner.list(prefix, start_after);
        let failure = |message| stream::iter([Err(unavailable(prefix, message))]);
        match self.fault(Operation::List, prefix) {
            None => listing,
            Some(Fault::Before) => failure("injected: the request was lost").boxed(),
            Some(Fault::After) => listing.chain(failure("injected: the rest was lost")).boxed(),
            Some(Fault::Hold(gate)) => {
                let begin = async move {
                    gate.pass().await;
                    Ok(listing)
                };
                stream::once(begin).try_flatten().boxed()
            }
        }
    }

    async fn list_folders(&self, prefix: &str) -> Result<Vec<String>, BucketError> {
        let request = self.inner.list_folders(prefix);
        self.go(Operation::ListFolders, prefix, request).await
    }
}

#[cfg(test)]
mod tests {
    use latewood_objstore::MemoryBucket;

    use super::*;

    fn memory() -> Bucket {
        Arc::new(MemoryBucket::new())
    }

    #[tokio::test]
    async fn scripted_faults_strike_where_and_as_often_as_told() {
        let bucket = FaultyBucket::new(memory());
        bucket.add(Rule::new(Fault::Before).on(Operation::Put).key("a/").times(1));
        bucket.add(Rule::new(Fault::After).on(Operation::Create).skip(1).times(1));
        let body = Bytes::from_static(b"x");
        assert!(bucket.put("a/1", body.clone()).await.is_err());
        assert!(bucket.get("a/1", 9).await.is_err(), "it did not take place");
        bucket.put("a/1", body.clone()).await.unwrap();
        bucket.create("a/2", body.clone()).await.unwrap();
        let lost = bucket.create("a/3", body.clone()).await;
        assert!(matches!(lost, Err(BucketError::Unavailable { .. })), "{lost:?}");
        assert_eq!(bucket.get("a/3", 9).await.unwrap(), "x", "it took place");
        assert_eq!(bucket.struck(), 2);
    }

    #[tokio::test]
    async fn a_held_request_takes_place_when_the_gate_opens() {
        let bucket = FaultyBucket::new(memory());
        let gate = Gate::closed();
        bucket.add(Rule::new(Fault::Hold(gate.clone())).on(Operation::Put));
        let put = {
            let bucket = Arc::clone(&bucket);
            tokio::spawn(async move { bucket.put("a", Bytes::new()).await })
        };
        gate.reached(1).await;
        assert!(bucket.head("a").await.is_err());
        gate.open();
        put.await.unwrap().unwrap();
        bucket.head("a").await.unwrap();
    }

    #[tokio::test]
    async fn the_same_seed_gives_the_same_faults() {
        let run = async |seed| {
            let chances = Chances { before: 0.3, after: 0.3, read_factor: 1.0 };
            let bucket = FaultyBucket::seeded(memory(), seed, chances);
            let mut outcomes = Vec::new();
            for number in 0..50 {
                outcomes.push(bucket.create(&number.to_string(), Bytes::new()).await);
            }
            outcomes
        };
        assert_eq!(run(1).await, run(1).await);
        assert_ne!(run(1).await, run(2).await);
    }
}
