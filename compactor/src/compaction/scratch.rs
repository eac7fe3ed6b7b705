//! The folder on the local disk where blocks are written before they are published. Nothing in it outlives its job.

use std::fs;
use std::path::{Path, PathBuf};

use latewood_base::Ulid;
use latewood_blockstore::BlockStoreError;

use crate::CompactError;

/// The folder in which jobs have theirs.
#[derive(Clone, Debug)]
pub(crate) struct Scratch(PathBuf);

/// The folder of a job; deleted when it is dropped.
#[derive(Debug)]
pub(crate) struct JobFolder(PathBuf);

impl Scratch {
    /// In this folder, which belongs to this process alone: what a process before it left there is deleted.
    ///
    /// # Errors
    /// The disk refuses.
    pub(crate) fn clean(folder: PathBuf) -> Result<Self, CompactError> {
        match fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(disk(&folder, &error)),
            _ => Ok(Self(folder)),
        }
    }

    /// A new job's folder.
    ///
    /// # Errors
    /// The disk refuses.
    pub(crate) fn folder(&self, job: Ulid) -> Result<JobFolder, CompactError> {
        let folder = self.0.join(job.to_string());
        fs::create_dir_all(&folder).map_err(|error| disk(&folder, &error))?;
        Ok(JobFolder(folder))
    }
}

impl JobFolder {
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for JobFolder {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            tracing::warn!(folder = %self.0.display(), %error, "a compaction's folder was not deleted");
        }
    }
}

fn disk(folder: &Path, error: &std::io::Error) -> CompactError {
    let (path, message) = (folder.display().to_string(), error.to_string());
    BlockStoreError::Disk { path, message }.into()
}
