//! The door to the disk: few operations, so that tests can fail each of them and a simulator can take
//! the disk's place.
//!
//! What is written is not durable before [`SegmentFile::sync`]; a file that was created, or is gone, is
//! not durably so before [`Files::sync_directory`].

use std::any::Any;
use std::fmt::Debug;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

/// One directory of files.
pub trait Files: Debug + Send + Sync + 'static {
    /// Keeps other processes out until the value is dropped. `WouldBlock` when one is in already.
    ///
    /// # Errors
    /// The lock is taken, or the system fails.
    fn lock(&self) -> io::Result<Box<dyn Any + Send + Sync>>;

    /// The names of the files that are there.
    ///
    /// # Errors
    /// The system fails.
    fn list(&self) -> io::Result<Vec<String>>;

    /// Makes a file that is not there yet.
    ///
    /// # Errors
    /// It is there, or the system fails.
    fn create(&self, name: &str) -> io::Result<Arc<dyn SegmentFile>>;

    /// Opens a file that is there, to read and write.
    ///
    /// # Errors
    /// It is not there, or the system fails.
    fn open(&self, name: &str) -> io::Result<Arc<dyn SegmentFile>>;

    /// Removes a file.
    ///
    /// # Errors
    /// It is not there, or the system fails.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Makes durable which files there are.
    ///
    /// # Errors
    /// The system fails: which files there are is not known any more.
    fn sync_directory(&self) -> io::Result<()>;

    /// The path of a file, for people to read.
    fn path(&self, name: &str) -> PathBuf;

    /// Told after each sync how much of the newest segment is durable. Test harnesses use it.
    ///
    /// # Errors
    /// The system fails.
    fn note_synced(&self, _name: &str, _bytes: u64) -> io::Result<()> {
        Ok(())
    }
}

/// One file.
#[allow(clippy::len_without_is_empty, reason = "a size that can fail, not a collection")]
pub trait SegmentFile: Debug + Send + Sync {
    /// Its size in bytes.
    ///
    /// # Errors
    /// The system fails.
    fn len(&self) -> io::Result<u64>;

    /// Reads at most `into.len()` bytes at `offset`; 0 at the end.
    ///
    /// # Errors
    /// The system fails.
    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize>;

    /// Writes all bytes at `offset`. After an error some of them may be there.
    ///
    /// # Errors
    /// The system fails, or the disk is full.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Cuts the file.
    ///
    /// # Errors
    /// The system fails.
    fn truncate(&self, len: u64) -> io::Result<()>;

    /// Reserves space, if the file system can; the file then reads as zeros up to `len`.
    ///
    /// # Errors
    /// The disk is full, or the system fails.
    fn reserve(&self, len: u64) -> io::Result<()>;

    /// Makes the file's content durable. After an error nobody knows what is; a second try tells nothing.
    ///
    /// # Errors
    /// The system fails.
    fn sync(&self) -> io::Result<()>;
}

/// Fills `into` from `offset`, as far as the file goes.
pub(crate) fn read_full(file: &dyn SegmentFile, offset: u64, into: &mut [u8]) -> io::Result<usize> {
    let mut done = 0;
    while let Some(rest) = into.get_mut(done..).filter(|rest| !rest.is_empty()) {
        match file.read_at(offset + done as u64, rest) {
            Ok(0) => break,
            Ok(read) => done += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}
