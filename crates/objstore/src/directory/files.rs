//! The file operations of a directory bucket. Everything here blocks.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use bytes::Bytes;
use latewood_base::{Rng, make_folder};
use parking_lot::{Mutex, RwLock};

use super::{STAGING, Tree, error_of};
use crate::key::TEMPORARY_SUFFIX;
use crate::{BucketError, ObjectInfo};

/// How often a write is repeated because somebody removed the folder, empty until then, meanwhile.
const FOLDER_RACES: usize = 16;
/// How many folders are remembered as settled; beyond it all are forgotten, which costs some fsyncs.
const MAX_SETTLED: usize = 65_536;
/// How much of a file is copied at once, in bytes.
const COPY_BYTES: usize = 1 << 20;

impl Tree {
    pub(super) fn open(root: PathBuf, rng: Rng) -> Result<Self, BucketError> {
        let failed = |error: io::Error| BucketError::Unavailable {
            key: String::new(),
            message: format!("folder {}: {error}", root.display()),
        };
        make_folder(&root.join(STAGING)).map_err(failed)?;
        clear_staging(&root.join(STAGING)).map_err(failed)?;
        Ok(Self { root, rng, settled: Mutex::default(), folders: RwLock::default() })
    }

    /// Why nothing is found: the folder itself is gone. Without it an object that is missing is no news.
    pub(super) fn absence(&self, key: &str) -> Option<BucketError> {
        let is_there = self.root.join(STAGING).is_dir();
        (!is_there).then(|| BucketError::Unavailable {
            key: key.to_owned(),
            message: format!("the bucket's folder {} is gone: is it mounted?", self.root.display()),
        })
    }

    fn path(&self, key: &str) -> PathBuf {
        self.root.join(key)
    }

    pub(super) fn put(&self, key: &str, body: &[u8]) -> Result<(), BucketError> {
        self.write(key, |file| file.write_all(body), Self::rename)
    }

    pub(super) fn create(&self, key: &str, body: &[u8]) -> Result<(), BucketError> {
        // Spares the writing where the name is taken already; the link decides.
        if self.path(key).symlink_metadata().is_ok_and(|meta| meta.is_file()) {
            self.settle_entry(&self.path(key)).map_err(|error| error_of(key, &error))?;
            return Err(BucketError::AlreadyExists { key: key.to_owned() });
        }
        self.write(key, |file| file.write_all(body), Self::link)
    }

    pub(super) fn put_file(&self, key: &str, source: &Path) -> Result<(), BucketError> {
        let mut source = File::open(source).map_err(|error| BucketError::Invalid {
            key: key.to_owned(),
            message: format!("cannot read {}: {error}", source.display()),
        })?;
        let copy = |file: &mut File| {
            let mut buffer = vec![0; COPY_BYTES];
            loop {
                let count = source.read(&mut buffer)?;
                match buffer.get(..count) {
                    None | Some([]) => return Ok(()),
                    Some(part) => file.write_all(part)?,
                }
            }
        };
        self.write(key, copy, Self::rename)
    }

    /// Writes a temporary file, fsyncs it, gives it its name by `place`, and fsyncs the folders.
    fn write(
        &self,
        key: &str,
        fill: impl FnOnce(&mut File) -> io::Result<()>,
        place: fn(&Path, &Path) -> io::Result<()>,
    ) -> Result<(), BucketError> {
        let staged = self.stage(fill).map_err(|error| {
            let message = format!("cannot write: {error}");
            self.absence(key).unwrap_or(BucketError::Unavailable { key: key.to_owned(), message })
        })?;
        let target = self.path(key);
        let placed = self.place(&staged, &target, place);
        // Renamed away already where all went well with `put`; a leftover goes at the next start.
        let _ = fs::remove_file(&staged.path);
        placed.map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => BucketError::Unavailable {
                key: key.to_owned(),
                message: "its folder was removed again and again while it was written".to_owned(),
            },
            _ => error_of(key, &error),
        })
    }

    fn place(
        &self,
        staged: &Staged,
        target: &Path,
        place: fn(&Path, &Path) -> io::Result<()>,
    ) -> io::Result<()> {
        let _no_folder_goes = self.folders.read();
        let mut result = Err(io::ErrorKind::NotFound.into());
        for _ in 0..FOLDER_RACES {
            result = self.make_folders(target).and_then(|()| place(&staged.path, target));
            match &result {
                Err(error) if error.kind() == io::ErrorKind::NotFound => self.settled.lock().clear(),
                _ => break,
            }
        }
        // The loser of a race too: what it learns must not be undone by a power cut.
        let taken = matches!(&result, Err(error) if error.kind() == io::ErrorKind::AlreadyExists);
        if result.is_ok() || taken {
            self.settle_entry(target)?;
        }
        result
    }

    fn rename(staged: &Path, target: &Path) -> io::Result<()> {
        fs::rename(staged, target)
    }

    fn link(staged: &Path, target: &Path) -> io::Result<()> {
        fs::hard_link(staged, target)
    }

    /// A new temporary file with its content on disk.
    fn stage(&self, fill: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<Staged> {
        let name = format!("{:016x}{:016x}{TEMPORARY_SUFFIX}", self.rng.next_u64(), self.rng.next_u64());
        let path = self.root.join(STAGING).join(name);
        let mut file = OpenOptions::new().write(true).create_new(true).open(&path)?;
        // Held until the file has its name: another process that opens the folder leaves it alone.
        let filled = file.lock().and_then(|()| fill(&mut file)).and_then(|()| file.sync_all());
        if let Err(error) = filled {
            let _ = fs::remove_file(&path);
            return Err(error);
        }
        Ok(Staged { path, _locked: file })
    }

    /// Makes the folders on the way to a file and sees that each one's own entry is on disk.
    fn make_folders(&self, target: &Path) -> io::Result<()> {
        let below = target.parent().and_then(|parent| parent.strip_prefix(&self.root).ok());
        let mut folder = self.root.clone();
        for part in below.into_iter().flat_map(Path::components) {
            let parent = folder.clone();
            folder.push(part);
            if self.settled.lock().contains(&folder) {
                continue;
            }
            match fs::create_dir(&folder) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                made => made?,
            }
            sync_folder(&parent)?;
            let mut settled = self.settled.lock();
            if settled.len() >= MAX_SETTLED {
                settled.clear();
            }
            settled.insert(folder.clone());
        }
        Ok(())
    }

    fn settle_entry(&self, target: &Path) -> io::Result<()> {
        match sync_folder(target.parent().unwrap_or(&self.root)) {
            // Deleted again meanwhile, with its folder.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            done => done,
        }
    }

    fn open_object(&self, key: &str) -> Result<(File, u64), BucketError> {
        let open = || {
            let file = File::open(self.path(key))?;
            let meta = file.metadata()?;
            Ok((file, meta))
        };
        let (file, meta) = open().map_err(|error| read_error(key, &error))?;
        if !meta.is_file() {
            return Err(BucketError::NotFound { key: key.to_owned() });
        }
        Ok((file, meta.len()))
    }

    pub(super) fn get(&self, key: &str, max: u64) -> Result<Bytes, BucketError> {
        let (file, size) = self.open_object(key)?;
        if size > max {
            return Err(BucketError::TooLarge { key: key.to_owned(), size, max });
        }
        read(key, &file, size, &(0..size))
    }

    pub(super) fn get_ranges(&self, key: &str, ranges: &[Range<u64>]) -> Result<Vec<Bytes>, BucketError> {
        let (file, size) = self.open_object(key)?;
        ranges.iter().map(|range| read(key, &file, size, range)).collect()
    }

    pub(super) fn head(&self, key: &str) -> Result<ObjectInfo, BucketError> {
        let meta = self.path(key).symlink_metadata().map_err(|error| read_error(key, &error))?;
        if !meta.is_file() {
            return Err(BucketError::NotFound { key: key.to_owned() });
        }
        Ok(info(key.to_owned(), &meta))
    }

    pub(super) fn delete(&self, key: &str) -> Result<(), BucketError> {
        let path = self.path(key);
        let removed = fs::remove_file(&path).and_then(|()| self.settle_entry(&path));
        match removed {
            Err(error) if matches!(read_error(key, &error), BucketError::NotFound { .. }) => {
                self.absence(key).map_or(Ok(()), Err)
            }
            Err(error) => Err(error_of(key, &error)),
            Ok(()) => {
                self.remove_empty_folders(&path);
                Ok(())
            }
        }
    }

    /// Buckets have no empty folders. Fails silently where a folder is not empty (any more).
    fn remove_empty_folders(&self, path: &Path) {
        let _nobody_writes = self.folders.write();
        for folder in path.ancestors().skip(1).take_while(|folder| **folder != self.root) {
            // Forgotten first: a writer that relied on it makes it again.
            self.settled.lock().remove(folder);
            if fs::remove_dir(folder).is_err() {
                return;
            }
        }
    }
}

/// A temporary file, locked while this lives.
struct Staged {
    path: PathBuf,
    _locked: File,
}

fn read(key: &str, file: &File, size: u64, range: &Range<u64>) -> Result<Bytes, BucketError> {
    let outside = || BucketError::Invalid {
        key: key.to_owned(),
        message: format!("range {}..{} of an object of {size} bytes", range.start, range.end),
    };
    if range.start > range.end || range.end > size {
        return Err(outside());
    }
    let length = usize::try_from(range.end - range.start).map_err(|_| outside())?;
    let mut body = vec![0; length];
    file.read_exact_at(&mut body, range.start).map_err(|error| error_of(key, &error))?;
    Ok(body.into())
}

/// As [`error_of`], for reading: below an object there is nothing.
fn read_error(key: &str, error: &io::Error) -> BucketError {
    match error.kind() {
        io::ErrorKind::NotADirectory => BucketError::NotFound { key: key.to_owned() },
        _ => error_of(key, error),
    }
}

/// What a listing says of a file.
pub(super) fn info(key: String, meta: &fs::Metadata) -> ObjectInfo {
    let since_epoch = meta.modified().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    let modified_ms = since_epoch.and_then(|since| i64::try_from(since.as_millis()).ok());
    ObjectInfo { key, size: meta.len(), modified_ms: modified_ms.unwrap_or(0) }
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Removes temporary files that no living process is writing.
fn clear_staging(staging: &Path) -> io::Result<()> {
    for entry in fs::read_dir(staging)? {
        let path = entry?.path();
        let abandoned = File::open(&path).is_ok_and(|file| file.try_lock().is_ok());
        if abandoned {
            tracing::info!(file = %path.display(), "removed a file that a stopped process left half written");
            match fs::remove_file(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                removed => removed?,
            }
        }
    }
    Ok(())
}
