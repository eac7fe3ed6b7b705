//! A bucket in memory, for tests.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use parking_lot::Mutex;

use crate::{BucketError, ObjectClient, ObjectInfo};

/// A bucket in memory.
#[derive(Debug, Default)]
pub struct MemoryBucket(Mutex<BTreeMap<String, Bytes>>);

impl MemoryBucket {
    /// An empty bucket.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn find(&self, key: &str) -> Result<Bytes, BucketError> {
        self.0
            .lock()
            .get(key)
            .cloned()
            .ok_or_else(|| BucketError::NotFound { key: key.to_owned() })
    }
}

#[async_trait]
impl ObjectClient for MemoryBucket {
    async fn put(&self, key: &str, body: Bytes) -> Result<(), BucketError> {
        self.0.lock().insert(key.to_owned(), body);
        Ok(())
    }

    async fn put_file(&self, key: &str, file: &Path) -> Result<(), BucketError> {
        let body = tokio::fs::read(file)
            .await
            .map_err(|error| BucketError::Invalid {
                key: key.to_owned(),
                message: error.to_string(),
            })?;
        self.put(key, body.into()).await
    }

    async fn create(&self, key: &str, body: Bytes) -> Result<(), BucketError> {
        let mut objects = self.0.lock();
        if objects.contains_key(key) {
            return Err(BucketError::AlreadyExists { key: key.to_owned() });
        }
        objects.insert(key.to_owned(), body);
        Ok(())
    }

    async fn get(&self, key: &str, max_bytes: u64) -> Result<Bytes, BucketError> {
        let body = self.find(key)?;
        let size = body.len() as u64;
        if size > max_bytes {
            return Err(BucketError::TooLarge {
                key: key.to_owned(),
                size,
                max: max_bytes,
            });
        }
        Ok(body)
    }

    async fn get_ranges(&self, key: &str, ranges: &[Range<u64>]) -> Result<Vec<Bytes>, BucketError> {
        let body = self.find(key)?;
        let slice = |range: &Range<u64>| {
            let (start, end) = (
                usize::try_from(range.start).ok()?,
                usize::try_from(range.end).ok()?,
            );
            (start <= end && end <= body.len()).then(|| body.slice(start..end))
        };
        let outside = || BucketError::Invalid {
            key: key.to_owned(),
            message: "range beyond the end".to_owned(),
        };
        ranges
            .iter()
            .map(|range| slice(range).ok_or_else(outside))
            .collect()
    }

    async fn head(&self, key: &str) -> Result<ObjectInfo, BucketError> {
        let size = self.find(key)?.len() as u64;
        Ok(ObjectInfo {
            key: key.to_owned(),
            size,
            modified_ms: 0,
        })
    }

    async fn delete(&self, key: &str) -> Result<(), BucketError> {
        self.0.lock().remove(key);
        Ok(())
    }

    fn list(
        &self,
        prefix: &str,
        start_after: Option<&str>,
    ) -> BoxStream<'static, Result<ObjectInfo, BucketError>> {
        let folder = if prefix.is_empty() {
            String::new()
        } else {
            format!("{prefix}/")
        };
        let objects = self.0.lock();
        let wanted = objects.iter().filter(|(key, _)| key.starts_with(&folder));
        let wanted = wanted.filter(|(key, _)| start_after.is_none_or(|after| key.as_str() > after));
        let infos: Vec<_> = wanted
            .map(|(key, body)| {
                Ok(ObjectInfo {
                    key: key.clone(),
                    size: body.len() as u64,
                    modified_ms: 0,
                })
            })
            .collect();
        stream::iter(infos).boxed()
    }

    async fn list_folders(&self, prefix: &str) -> Result<Vec<String>, BucketError> {
        let folder = if prefix.is_empty() {
            String::new()
        } else {
            format!("{prefix}/")
        };
        let objects = self.0.lock();
        let rests = objects.keys().filter_map(|key| key.strip_prefix(&folder));
        let mut names: Vec<String> = rests
            .filter_map(|rest| rest.split_once('/'))
            .map(|(name, _)| name.to_owned())
            .collect();
        names.dedup();
        Ok(names)
    }
}
