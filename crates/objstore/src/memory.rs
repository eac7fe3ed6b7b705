//! A bucket in memory, for tests.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use latewood_base::Clock;
use parking_lot::Mutex;

use crate::{BucketError, ObjectClient, ObjectInfo, key};

/// A bucket in memory.
#[derive(Debug, Default)]
pub struct MemoryBucket {
    objects: Mutex<BTreeMap<String, Stored>>,
    /// Tells when objects were written; without it that is always 0.
    clock: Option<Clock>,
}

#[derive(Clone, Debug)]
struct Stored {
    body: Bytes,
    modified_ms: i64,
}

impl MemoryBucket {
    /// An empty bucket.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty bucket that notes when its objects were written.
    #[must_use]
    pub fn with_clock(clock: Clock) -> Self {
        Self { objects: Mutex::default(), clock: Some(clock) }
    }

    fn stored(&self, body: Bytes) -> Stored {
        let modified_ms = self.clock.as_ref().map_or(0, Clock::now_ms);
        Stored { body, modified_ms }
    }

    fn find(&self, key: &str) -> Result<Stored, BucketError> {
        key::check(key)?;
        let found = self.objects.lock().get(key).cloned();
        found.ok_or_else(|| BucketError::NotFound { key: key.to_owned() })
    }
}

fn info(key: &str, stored: &Stored) -> ObjectInfo {
    ObjectInfo { key: key.to_owned(), size: stored.body.len() as u64, modified_ms: stored.modified_ms }
}

#[async_trait]
impl ObjectClient for MemoryBucket {
    async fn put(&self, key: &str, body: Bytes) -> Result<(), BucketError> {
        key::check(key)?;
        self.objects.lock().insert(key.to_owned(), self.stored(body));
        Ok(())
    }

    async fn put_file(&self, key: &str, file: &Path) -> Result<(), BucketError> {
        let body = tokio::fs::read(file)
            .await
            .map_err(|error| BucketError::Invalid { key: key.to_owned(), message: error.to_string() })?;
        self.put(key, body.into()).await
    }

    async fn create(&self, key: &str, body: Bytes) -> Result<(), BucketError> {
        key::check(key)?;
        let mut objects = self.objects.lock();
        if objects.contains_key(key) {
            return Err(BucketError::AlreadyExists { key: key.to_owned() });
        }
        objects.insert(key.to_owned(), self.stored(body));
        Ok(())
    }

    async fn get(&self, key: &str, max_bytes: u64) -> Result<Bytes, BucketError> {
        let body = self.find(key)?.body;
        let size = body.len() as u64;
        if size > max_bytes {
            return Err(BucketError::TooLarge { key: key.to_owned(), size, max: max_bytes });
        }
        Ok(body)
    }

    async fn get_ranges(&self, key: &str, ranges: &[Range<u64>]) -> Result<Vec<Bytes>, BucketError> {
        let body = self.find(key)?.body;
        let slice = |range: &Range<u64>| {
            let (start, end) = (usize::try_from(range.start).ok()?, usize::try_from(range.end).ok()?);
            (start <= end && end <= body.len()).then(|| body.slice(start..end))
        };
        let outside =
            || BucketError::Invalid { key: key.to_owned(), message: "range beyond the end".to_owned() };
        ranges.iter().map(|range| slice(range).ok_or_else(outside)).collect()
    }

    async fn head(&self, key: &str) -> Result<ObjectInfo, BucketError> {
        self.find(key).map(|stored| info(key, &stored))
    }

    async fn delete(&self, key: &str) -> Result<(), BucketError> {
        key::check(key)?;
        self.objects.lock().remove(key);
        Ok(())
    }

    fn list(
        &self,
        prefix: &str,
        start_after: Option<&str>,
    ) -> BoxStream<'static, Result<ObjectInfo, BucketError>> {
        let folder = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
        let objects = self.objects.lock();
        let wanted = objects.iter().filter(|(key, _)| key.starts_with(&folder));
        let wanted = wanted.filter(|(key, _)| start_after.is_none_or(|after| key.as_str() > after));
        let infos: Vec<_> = wanted.map(|(key, stored)| Ok(info(key, stored))).collect();
        stream::iter(infos).boxed()
    }

    async fn list_folders(&self, prefix: &str) -> Result<Vec<String>, BucketError> {
        let folder = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
        let objects = self.objects.lock();
        let rests = objects.keys().filter_map(|key| key.strip_prefix(&folder));
        let mut names: Vec<String> =
            rests.filter_map(|rest| rest.split_once('/')).map(|(name, _)| name.to_owned()).collect();
        // Sorted by what follows the names too, in which `/` is not the least character.
        names.sort();
        names.dedup();
        Ok(names)
    }
}
