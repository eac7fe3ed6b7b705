//! [`Files`] on a directory of the operating system.

use std::any::Any;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use latewood_base::{make_folder, sync_parent};

use crate::files::{Files, SegmentFile};

const LOCK: &str = "lock";
const SYNCED: &str = "synced";

/// A directory on disk.
#[derive(Debug)]
pub struct StdFiles {
    dir: PathBuf,
    synced: Option<File>,
}

impl StdFiles {
    /// Files in `dir`, which is made if it is not there. With `record_synced` the file `synced` tells the
    /// newest segment's name and how many of its bytes are durable.
    ///
    /// # Errors
    /// The directory cannot be made or written to.
    pub fn new(dir: &Path, record_synced: bool) -> io::Result<Self> {
        make_folder(dir)?;
        // A process that was killed may have made it and not come as far as its parent.
        sync_parent(&fs::canonicalize(dir)?)?;
        let synced = record_synced
            .then(|| OpenOptions::new().create(true).truncate(false).write(true).open(dir.join(SYNCED)))
            .transpose()?;
        Ok(Self { dir: dir.to_owned(), synced })
    }
}

impl Files for StdFiles {
    fn lock(&self) -> io::Result<Box<dyn Any + Send + Sync>> {
        let path = self.path(LOCK);
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Box::new(file)),
            Err(TryLockError::WouldBlock) => Err(io::ErrorKind::WouldBlock.into()),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let names = fs::read_dir(&self.dir)?.map(|entry| Ok(entry?.file_name().into_string().ok()));
        names.filter_map(io::Result::transpose).collect()
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn SegmentFile>> {
        let path = self.path(name);
        let file = OpenOptions::new().create_new(true).read(true).write(true).open(path)?;
        Ok(Arc::new(StdFile(file)))
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn SegmentFile>> {
        let file = OpenOptions::new().read(true).write(true).open(self.path(name))?;
        Ok(Arc::new(StdFile(file)))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.path(name))
    }

    fn sync_directory(&self) -> io::Result<()> {
        File::open(&self.dir)?.sync_all()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    fn note_synced(&self, name: &str, bytes: u64) -> io::Result<()> {
        // One small write of constant length: a reader never sees half of it.
        match &self.synced {
            Some(file) => file.write_all_at(format!("{name} {bytes:020}\n").as_bytes(), 0),
            None => Ok(()),
        }
    }
}

#[derive(Debug)]
struct StdFile(File);

impl SegmentFile for StdFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        FileExt::read_at(&self.0, into, offset)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn reserve(&self, len: u64) -> io::Result<()> {
        match rustix::fs::fallocate(&self.0, rustix::fs::FallocateFlags::empty(), 0, len) {
            Err(rustix::io::Errno::NOTSUP | rustix::io::Errno::NOSYS) | Ok(()) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }
}
