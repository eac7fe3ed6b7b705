//! The folder in which one block at a time is put together.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::Context;

/// A folder that is this process's alone and empty between blocks.
#[derive(Debug)]
pub struct Scratch {
    folder: PathBuf,
    /// Locked while this lives.
    _lock: File,
}

impl Scratch {
    /// Takes the folder below the data folder; what an import left there that was killed is removed.
    pub fn take(data_dir: &Path) -> anyhow::Result<Self> {
        let folder = std::path::absolute(data_dir)?.join("import");
        latewood_base::make_folder(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let lock = File::create(folder.join("lock"))?;
        lock.try_lock().with_context(|| format!("another import is at work in {}", folder.display()))?;
        let scratch = Self { folder, _lock: lock };
        scratch.clear()?;
        Ok(scratch)
    }

    /// Where a block comes to, from a bucket.
    pub fn incoming(&self) -> PathBuf {
        self.folder.join("source")
    }

    /// Where a block is written.
    pub fn outgoing(&self) -> PathBuf {
        self.folder.join("block")
    }

    /// Removes what is of the last block.
    pub fn clear(&self) -> anyhow::Result<()> {
        for folder in [self.incoming(), self.outgoing()] {
            if folder.exists() {
                fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))?;
            }
        }
        Ok(())
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What stays is removed by the next import.
        let _ = self.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_is_for_one_and_begins_empty() {
        let data = tempfile::tempdir().unwrap();
        let scratch = Scratch::take(data.path()).unwrap();
        fs::create_dir(scratch.outgoing()).unwrap();
        assert!(Scratch::take(data.path()).unwrap_err().to_string().contains("another import"));
        let left = scratch.outgoing();
        std::mem::forget(File::create(left.join("half")).unwrap());
        drop(scratch);
        assert!(!left.exists());
        Scratch::take(data.path()).unwrap();
    }
}
