//! A folder of this machine as a bucket.
//!
//! Invariants:
//! - When a write returns success, file and folders are fsynced.
//! - A reader sees an object whole or not at all: it is written to a temporary file of the same file system
//!   first, then linked (`create`: link(2) fails where the name is taken) or renamed (`put`).
//! - A folder that is gone, or whose file system is not mounted any more, is [`BucketError::Unavailable`] and no
//!   empty bucket: the staging folder, made at the opening, shows that it is there.
//! - Several processes may share the folder; the file system must have hard links.

mod files;
mod walk;

use std::collections::HashSet;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use latewood_base::{Offload, Rng};
use parking_lot::{Mutex, RwLock};

use crate::{BucketError, ObjectClient, ObjectInfo, key};

/// The folder below the top where objects are written before they get their names. Its ending keeps it out
/// of listings and keys.
const STAGING: &str = "staging.latewood-tmp";
/// How many file operations run at once.
const WIDTH: usize = 32;

/// A folder of this machine as a bucket.
#[derive(Clone, Debug)]
pub struct DirectoryBucket {
    tree: Arc<Tree>,
    offload: Offload,
}

/// The folder, and what is known of it. Its functions block.
#[derive(Debug)]
struct Tree {
    root: PathBuf,
    rng: Rng,
    /// Folders whose own entry is known to be on disk: they were fsynced into their parents by this process.
    settled: Mutex<HashSet<PathBuf>>,
    /// Taken by writers from making their folders to having a file in them; exclusively by whoever removes
    /// empty folders, so that `settled` is true of this process's own doings.
    folders: RwLock<()>,
}

impl DirectoryBucket {
    /// Opens a folder as a bucket; makes it where it is missing, and clears away what a crash left half
    /// written.
    ///
    /// # Errors
    /// [`BucketError::Unavailable`] when the folder cannot be made or read.
    pub async fn open(root: &Path, rng: Rng) -> Result<Self, BucketError> {
        let offload = Offload::new(WIDTH);
        let root = root.to_owned();
        let opened = offload.run(move || Tree::open(root, rng)).await;
        let tree = opened.map_err(|error| unavailable("", &error))??;
        Ok(Self { tree: Arc::new(tree), offload })
    }

    async fn run<T: Send + 'static>(
        &self,
        key: &str,
        work: impl FnOnce(&Tree, &str) -> Result<T, BucketError> + Send + 'static,
    ) -> Result<T, BucketError> {
        let (tree, owned) = (Arc::clone(&self.tree), key.to_owned());
        let work = move || match work(&tree, &owned) {
            Err(error @ BucketError::NotFound { .. }) => Err(tree.absence(&owned).unwrap_or(error)),
            result => result,
        };
        let result = self.offload.run(work).await;
        result.map_err(|error| unavailable(key, &error))?
    }
}

/// The error of a file operation, as a bucket's.
fn error_of(key: &str, error: &io::Error) -> BucketError {
    let invalid = |message: &str| BucketError::Invalid { key: key.to_owned(), message: message.to_owned() };
    match error.kind() {
        io::ErrorKind::NotFound => BucketError::NotFound { key: key.to_owned() },
        io::ErrorKind::AlreadyExists => BucketError::AlreadyExists { key: key.to_owned() },
        io::ErrorKind::PermissionDenied => {
            BucketError::Denied { key: key.to_owned(), message: error.to_string() }
        }
        io::ErrorKind::NotADirectory => invalid("a part of the key is an object, not a folder"),
        io::ErrorKind::IsADirectory => invalid("the key is a folder"),
        io::ErrorKind::Unsupported => {
            invalid("the file system has no hard links; put the bucket on one that has (ext4, xfs, zfs, nfs)")
        }
        _ => unavailable(key, error),
    }
}

fn unavailable(key: &str, error: &dyn std::error::Error) -> BucketError {
    BucketError::Unavailable { key: key.to_owned(), message: error.to_string() }
}

#[async_trait]
impl ObjectClient for DirectoryBucket {
    async fn put(&self, key: &str, body: Bytes) -> Result<(), BucketError> {
        key::check(key)?;
        self.run(key, move |tree, key| tree.put(key, &body)).await
    }

    async fn put_file(&self, key: &str, file: &Path) -> Result<(), BucketError> {
        key::check(key)?;
        let file = file.to_owned();
        self.run(key, move |tree, key| tree.put_file(key, &file)).await
    }

    async fn create(&self, key: &str, body: Bytes) -> Result<(), BucketError> {
        key::check(key)?;
        self.run(key, move |tree, key| tree.create(key, &body)).await
    }

    async fn get(&self, key: &str, max_bytes: u64) -> Result<Bytes, BucketError> {
        key::check(key)?;
        self.run(key, move |tree, key| tree.get(key, max_bytes)).await
    }

    async fn get_ranges(&self, key: &str, ranges: &[Range<u64>]) -> Result<Vec<Bytes>, BucketError> {
        key::check(key)?;
        let ranges = ranges.to_vec();
        self.run(key, move |tree, key| tree.get_ranges(key, &ranges)).await
    }

    async fn head(&self, key: &str) -> Result<ObjectInfo, BucketError> {
        key::check(key)?;
        self.run(key, Tree::head).await
    }

    async fn delete(&self, key: &str) -> Result<(), BucketError> {
        key::check(key)?;
        self.run(key, Tree::delete).await
    }

    fn list(
        &self,
        prefix: &str,
        start_after: Option<&str>,
    ) -> BoxStream<'static, Result<ObjectInfo, BucketError>> {
        walk::list(Arc::clone(&self.tree), prefix.to_owned(), start_after.map(str::to_owned))
    }

    async fn list_folders(&self, prefix: &str) -> Result<Vec<String>, BucketError> {
        key::check_folder(prefix)?;
        self.run(prefix, walk::folders).await
    }
}

#[cfg(test)]
mod tests;
