//! Uploads of local files, in parts when they are large.

use std::path::Path;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use object_store::path::Path as StorePath;
use object_store::{MultipartId, ObjectStoreExt, PutPayload};
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt};

use super::{Store, error_of, write_error};
use crate::BucketError;
use crate::backoff::Backoff;

/// Files up to this size go in one request; also the least size of a part, in bytes.
const PART_BYTES: u64 = 16 << 20;
/// The services take at most 10,000 parts.
const MAX_PARTS: u64 = 9_000;

/// One upload of a local file.
pub(super) struct Upload<'a> {
    pub(super) store: &'a dyn Store,
    pub(super) backoff: &'a Backoff,
    /// How many parts are under way at once; each is held in memory.
    pub(super) concurrency: usize,
    pub(super) key: &'a str,
    pub(super) path: &'a StorePath,
    pub(super) file: &'a Path,
}

/// The parts of a file, as (start, length).
fn parts(size: u64) -> Vec<(u64, u64)> {
    let part = PART_BYTES.max(size.div_ceil(MAX_PARTS));
    let starts = (0..size.div_ceil(part)).map(|number| number * part);
    starts.map(|start| (start, part.min(size - start))).collect()
}

impl Upload<'_> {
    /// Writes the file as an object.
    pub(super) async fn run(&self) -> Result<(), BucketError> {
        let meta = tokio::fs::metadata(self.file).await;
        let size = meta.map_err(|error| self.unreadable(&error))?.len();
        match parts(size).as_slice() {
            [] => self.put(Bytes::new()).await,
            [(start, length)] => self.put(self.read(*start, *length).await?).await,
            parts => self.in_parts(parts).await,
        }
    }

    fn unreadable(&self, error: &std::io::Error) -> BucketError {
        BucketError::Invalid {
            key: self.key.to_owned(),
            message: format!("cannot read {}: {error}", self.file.display()),
        }
    }

    async fn read(&self, start: u64, length: u64) -> Result<Bytes, BucketError> {
        let read = async {
            let mut file = File::open(self.file).await?;
            file.seek(std::io::SeekFrom::Start(start)).await?;
            let mut body = vec![0; usize::try_from(length).unwrap_or(usize::MAX)];
            file.read_exact(&mut body).await?;
            Ok(Bytes::from(body))
        };
        read.await.map_err(|error| self.unreadable(&error))
    }

    async fn put(&self, body: Bytes) -> Result<(), BucketError> {
        let put = || async {
            let put = self.store.put(self.path, PutPayload::from_bytes(body.clone())).await;
            put.map_err(|error| write_error(self.key, &error))
        };
        self.backoff.run(put).await.map(drop)
    }

    async fn in_parts(&self, parts: &[(u64, u64)]) -> Result<(), BucketError> {
        let begin = || async {
            let id = self.store.create_multipart(self.path).await;
            id.map_err(|error| write_error(self.key, &error))
        };
        let id = self.backoff.run(begin).await?;
        let done = self.send_and_complete(parts, &id).await;
        if done.is_err()
            && let Err(error) = self.store.abort_multipart(self.path, &id).await
        {
            tracing::warn!(key = self.key, %error, "could not abort an upload; its parts stay until the bucket's lifecycle rule removes them");
        }
        done
    }

    async fn send_and_complete(&self, parts: &[(u64, u64)], id: &MultipartId) -> Result<(), BucketError> {
        let send = |(number, (start, length)): (usize, (u64, u64))| async move {
            let body = self.read(start, length).await?;
            let put = || async {
                let payload = PutPayload::from_bytes(body.clone());
                let put = self.store.put_part(self.path, id, number, payload).await;
                put.map_err(|error| error_of(self.key, &error))
            };
            self.backoff.run(put).await
        };
        let numbered: Vec<_> = parts.iter().copied().enumerate().collect();
        let sent: Vec<_> = stream::iter(numbered).map(send).buffered(self.concurrency).try_collect().await?;
        let size = parts.iter().map(|(_, length)| length).sum();
        let complete = || async {
            let completed = self.store.complete_multipart(self.path, id, sent.clone()).await;
            match completed {
                Ok(_) => Ok(()),
                Err(error) => self.check_completed(size, &error).await,
            }
        };
        self.backoff.run(complete).await
    }

    /// An upload whose completion was done but not answered is gone at the second try, and the object there.
    async fn check_completed(&self, size: u64, error: &object_store::Error) -> Result<(), BucketError> {
        let gone = matches!(error, object_store::Error::NotFound { .. });
        if gone && self.store.head(self.path).await.is_ok_and(|meta| meta.size == size) {
            return Ok(());
        }
        Err(error_of(self.key, error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_cover_the_file_and_are_few_enough() {
        for size in [0, 1, PART_BYTES, PART_BYTES + 1, 10 * PART_BYTES, 1 << 42] {
            let parts = parts(size);
            assert_eq!(parts.iter().map(|(_, length)| length).sum::<u64>(), size);
            assert!(parts.len() as u64 <= MAX_PARTS);
            assert!(parts.windows(2).all(|pair| pair[0].0 + pair[0].1 == pair[1].0));
        }
    }
}
