//! A disk that says it has what it has not.

use std::any::Any;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use crate::files::{Files, SegmentFile};

/// [`Files`] whose syncs do nothing: a fault that a simulation must find.
#[derive(Debug)]
pub struct Forgetful(Arc<dyn Files>);

#[derive(Debug)]
struct File(Arc<dyn SegmentFile>);

impl Forgetful {
    /// Stands before these files, and syncs none of them.
    #[must_use]
    pub fn before(files: Arc<dyn Files>) -> Arc<dyn Files> {
        Arc::new(Self(files))
    }
}

impl Files for Forgetful {
    fn lock(&self) -> io::Result<Box<dyn Any + Send + Sync>> {
        self.0.lock()
    }

    fn list(&self) -> io::Result<Vec<String>> {
        self.0.list()
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn SegmentFile>> {
        Ok(Arc::new(File(self.0.create(name)?)))
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn SegmentFile>> {
        Ok(Arc::new(File(self.0.open(name)?)))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.0.remove(name)
    }

    fn sync_directory(&self) -> io::Result<()> {
        self.0.sync_directory()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path(name)
    }
}

impl SegmentFile for File {
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        self.0.read_at(offset, into)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.0.write_at(offset, bytes)
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        self.0.truncate(len)
    }

    fn reserve(&self, len: u64) -> io::Result<()> {
        self.0.reserve(len)
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}
