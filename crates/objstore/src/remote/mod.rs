//! A bucket of a service (S3, GCS, Azure) over `object_store`.
//!
//! `object_store`'s own retries are off. It would repeat a conditional write that was answered with 5xx, and
//! when the first attempt had succeeded all the same, report our own object as somebody else's. Retries are
//! ours ([`crate::retry`], and [`upload`] for the parts of a large file).

mod build;
mod upload;

use std::fmt;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use object_store::multipart::MultipartStore;
use object_store::path::Path as StorePath;
use object_store::{GetOptions, ObjectMeta, ObjectStore, ObjectStoreExt, PutMode, PutPayload};

use crate::backoff::Backoff;
use crate::{BucketError, ObjectClient, ObjectInfo, key};

pub(crate) use build::build;
use upload::Upload;

/// What a service must offer.
pub(crate) trait Store: ObjectStore + MultipartStore {}

impl<T: ObjectStore + MultipartStore> Store for T {}

/// How many ranges of one call are fetched at once.
const RANGE_CONCURRENCY: usize = 8;
/// How many parts of one file are uploaded at once.
const UPLOAD_CONCURRENCY: usize = 4;

/// A bucket of a service.
pub(crate) struct RemoteBucket {
    store: Arc<dyn Store>,
    /// The folder of the bucket that is ours, without slashes at the ends; may be empty.
    prefix: String,
    /// Whether 409 for a conditional write means "another one is under way" rather than "the key is taken".
    conflict_is_transient: bool,
    backoff: Backoff,
    /// How many parts of one file are under way at once; each is held in memory.
    upload_concurrency: usize,
}

impl fmt::Debug for RemoteBucket {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "RemoteBucket({}, {:?})", self.store, self.prefix)
    }
}

impl RemoteBucket {
    pub(crate) fn new(
        store: Arc<dyn Store>,
        prefix: String,
        conflict_is_transient: bool,
        backoff: Backoff,
    ) -> Self {
        Self { store, prefix, conflict_is_transient, backoff, upload_concurrency: UPLOAD_CONCURRENCY }
    }

    /// The path of a key or folder in the service's bucket.
    fn path(&self, key: &str) -> Result<StorePath, BucketError> {
        let full = match (self.prefix.as_str(), key) {
            ("", key) => key.to_owned(),
            (prefix, "") => prefix.to_owned(),
            (prefix, key) => format!("{prefix}/{key}"),
        };
        StorePath::parse(full)
            .map_err(|error| BucketError::Invalid { key: key.to_owned(), message: error.to_string() })
    }

    fn object_path(&self, key: &str) -> Result<StorePath, BucketError> {
        key::check(key)?;
        self.path(key)
    }

    async fn get_range(&self, key: &str, path: &StorePath, range: Range<u64>) -> Result<Bytes, BucketError> {
        if range.start == range.end {
            return Ok(Bytes::new());
        }
        let invalid = |message: String| BucketError::Invalid { key: key.to_owned(), message };
        if range.start > range.end {
            return Err(invalid(format!("range {}..{} is turned around", range.start, range.end)));
        }
        let length = range.end - range.start;
        let wrong = match self.store.get_range(path, range.clone()).await {
            Ok(body) if body.len() as u64 == length => return Ok(body),
            Ok(body) => BucketError::Unavailable {
                key: key.to_owned(),
                message: format!("{} bytes came where {length} were asked for", body.len()),
            },
            Err(error) => error_of(key, &error),
        };
        // The services tell a range beyond the end in ways of their own.
        match (wrong, self.store.head(path).await) {
            (BucketError::Unavailable { .. }, Ok(meta)) if range.end > meta.size => Err(invalid(format!(
                "range {}..{} of an object of {} bytes",
                range.start, range.end, meta.size
            ))),
            (wrong, _) => Err(wrong),
        }
    }

    fn create_error(&self, key: &str, error: &object_store::Error) -> BucketError {
        if let object_store::Error::AlreadyExists { source, .. } = error
            && self.conflict_is_transient
            // A failed precondition comes wrapped in an error of its own, 409 does not.
            && source.downcast_ref::<object_store::Error>().is_none()
        {
            return BucketError::Unavailable {
                key: key.to_owned(),
                message: format!("another conditional write is under way: {source}"),
            };
        }
        write_error(key, error)
    }
}

/// The error of the service, as a bucket's.
fn error_of(key: &str, error: &object_store::Error) -> BucketError {
    use object_store::Error as E;
    let (key, message) = (key.to_owned(), with_causes(error));
    match error {
        E::NotFound { .. } => BucketError::NotFound { key },
        E::AlreadyExists { .. } | E::Precondition { .. } | E::NotModified { .. } => {
            BucketError::AlreadyExists { key }
        }
        E::PermissionDenied { .. } | E::Unauthenticated { .. } => BucketError::Denied { key, message },
        E::InvalidPath { .. } | E::NotSupported { .. } | E::NotImplemented { .. } => {
            BucketError::Invalid { key, message }
        }
        _ if asks_metadata_service(&message) => {
            BucketError::Unavailable { key, message: format!("{NO_AWS_CREDENTIALS}; {message}") }
        }
        _ => BucketError::Unavailable { key, message },
    }
}

/// An error's text with those of its causes that it does not hold: what became of a connection, most often.
fn with_causes(error: &object_store::Error) -> String {
    let (mut text, mut cause) = (error.to_string(), std::error::Error::source(error));
    while let Some(next) = cause {
        let told = next.to_string();
        if !text.contains(&told) {
            text = format!("{text}: {told}");
        }
        cause = next.source();
    }
    text
}

/// What to do when there is nobody to get credentials from.
const NO_AWS_CREDENTIALS: &str = "there are no AWS credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, \
     or AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN; the machine's metadata service, which is asked without them, \
     did not answer";

/// Whether a request failed for want of credentials: without any in the environment, the client asks a metadata
/// service that machines at Amazon have, on these paths.
/// <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instance-metadata-security-credentials.html>
fn asks_metadata_service(message: &str) -> bool {
    ["/latest/api/token", "/latest/meta-data/iam/"].iter().any(|path| message.contains(path))
}

/// As [`error_of`], for writes: nothing but the bucket itself can be missing.
fn write_error(key: &str, error: &object_store::Error) -> BucketError {
    match error_of(key, error) {
        BucketError::NotFound { key } => {
            BucketError::Invalid { key, message: format!("does the bucket exist? {error}") }
        }
        other => other,
    }
}

fn info(prefix: &str, meta: &ObjectMeta) -> ObjectInfo {
    let key = meta.location.as_ref();
    let key = key.strip_prefix(prefix).map_or(key, |rest| rest.trim_start_matches('/'));
    ObjectInfo { key: key.to_owned(), size: meta.size, modified_ms: meta.last_modified.timestamp_millis() }
}

#[async_trait]
impl ObjectClient for RemoteBucket {
    async fn put(&self, key: &str, body: Bytes) -> Result<(), BucketError> {
        let path = self.object_path(key)?;
        let put = self.store.put(&path, PutPayload::from_bytes(body)).await;
        put.map(drop).map_err(|error| write_error(key, &error))
    }

    async fn put_file(&self, key: &str, file: &Path) -> Result<(), BucketError> {
        let path = self.object_path(key)?;
        let upload = Upload {
            store: &*self.store,
            backoff: &self.backoff,
            concurrency: self.upload_concurrency,
            key,
            path: &path,
            file,
        };
        upload.run().await
    }

    async fn create(&self, key: &str, body: Bytes) -> Result<(), BucketError> {
        let path = self.object_path(key)?;
        let payload = PutPayload::from_bytes(body);
        let put = self.store.put_opts(&path, payload, PutMode::Create.into()).await;
        put.map(drop).map_err(|error| self.create_error(key, &error))
    }

    async fn get(&self, key: &str, max: u64) -> Result<Bytes, BucketError> {
        let path = self.object_path(key)?;
        let got = self.store.get_opts(&path, GetOptions::default()).await;
        let got = got.map_err(|error| error_of(key, &error))?;
        let size = got.meta.size;
        if size > max {
            return Err(BucketError::TooLarge { key: key.to_owned(), size, max });
        }
        got.bytes().await.map_err(|error| error_of(key, &error))
    }

    async fn get_ranges(&self, key: &str, ranges: &[Range<u64>]) -> Result<Vec<Bytes>, BucketError> {
        let path = self.object_path(key)?;
        let ranges = stream::iter(ranges.to_vec());
        let requests = ranges.map(|range| self.get_range(key, &path, range));
        requests.buffered(RANGE_CONCURRENCY).try_collect().await
    }

    async fn head(&self, key: &str) -> Result<ObjectInfo, BucketError> {
        let path = self.object_path(key)?;
        let meta = self.store.head(&path).await;
        meta.map(|meta| info(&self.prefix, &meta)).map_err(|error| error_of(key, &error))
    }

    async fn delete(&self, key: &str) -> Result<(), BucketError> {
        let path = self.object_path(key)?;
        match self.store.delete(&path).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(error_of(key, &error)),
        }
    }

    fn list(
        &self,
        prefix: &str,
        start_after: Option<&str>,
    ) -> BoxStream<'static, Result<ObjectInfo, BucketError>> {
        let paths = key::check_folder(prefix).and_then(|()| {
            let after = start_after.map(|after| self.path(after)).transpose()?;
            Ok((self.path(prefix)?, after))
        });
        let listing = match paths {
            Err(error) => return stream::iter([Err(error)]).boxed(),
            Ok((path, None)) => self.store.list(Some(&path)),
            Ok((path, Some(after))) => self.store.list_with_offset(Some(&path), &after),
        };
        let (folder, ours) = (prefix.to_owned(), self.prefix.clone());
        let infos = listing.map(move |meta| match meta {
            Ok(meta) => Ok(info(&ours, &meta)),
            Err(error) => Err(error_of(&folder, &error)),
        });
        infos.boxed()
    }

    async fn list_folders(&self, prefix: &str) -> Result<Vec<String>, BucketError> {
        key::check_folder(prefix)?;
        let path = self.path(prefix)?;
        let listed = self.store.list_with_delimiter(Some(&path)).await;
        let listed = listed.map_err(|error| error_of(prefix, &error))?;
        let folders = listed.common_prefixes.iter();
        let mut names: Vec<String> =
            folders.filter_map(|folder| folder.filename().map(str::to_owned)).collect();
        names.sort();
        names.dedup();
        Ok(names)
    }
}

#[cfg(test)]
mod tests;
