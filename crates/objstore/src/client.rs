//! What the product asks of a bucket.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;

use crate::BucketError;

/// A shared handle on a bucket.
pub type Bucket = Arc<dyn ObjectClient>;

/// An object as a listing shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectInfo {
    /// The key, relative to the bucket's prefix, parts separated by `/`.
    pub key: String,
    /// Bytes.
    pub size: u64,
    /// When it was last written, in milliseconds since the Unix epoch.
    pub modified_ms: i64,
}

/// A bucket. Keys are relative to its prefix, their parts separated by `/`. When a write returns
/// success the object is durable (a directory bucket has fsynced file and folder).
#[async_trait]
pub trait ObjectClient: Send + Sync + std::fmt::Debug + 'static {
    /// Writes an object, replacing one of the same key.
    async fn put(&self, key: &str, body: Bytes) -> Result<(), BucketError>;

    /// Writes a local file as an object, in parts when it is large, replacing one of the same key.
    async fn put_file(&self, key: &str, file: &Path) -> Result<(), BucketError>;

    /// Writes an object only if the key is free; of concurrent callers exactly one wins, the others get
    /// [`BucketError::AlreadyExists`].
    async fn create(&self, key: &str, body: Bytes) -> Result<(), BucketError>;

    /// A whole object, of at most `max_bytes`.
    async fn get(&self, key: &str, max_bytes: u64) -> Result<Bytes, BucketError>;

    /// Byte ranges of one object, in the order asked for; near ones may be fetched together.
    async fn get_ranges(&self, key: &str, ranges: &[Range<u64>]) -> Result<Vec<Bytes>, BucketError>;

    /// Size and time of an object.
    async fn head(&self, key: &str) -> Result<ObjectInfo, BucketError>;

    /// Deletes an object; one that is not there is no error.
    async fn delete(&self, key: &str) -> Result<(), BucketError>;

    /// The objects below a prefix (a folder, no trailing `/`; `""` is all), only those after `start_after`, a
    /// key, if given. Those of one folder come in the order of their names; how folders and objects mix is the
    /// store's (most sort whole keys, SeaweedFS walks folders), and `start_after` follows it. Never on a hot
    /// path.
    fn list(
        &self,
        prefix: &str,
        start_after: Option<&str>,
    ) -> BoxStream<'static, Result<ObjectInfo, BucketError>>;

    /// The names of the folders directly below a prefix, sorted. Never on a hot path.
    async fn list_folders(&self, prefix: &str) -> Result<Vec<String>, BucketError>;
}
