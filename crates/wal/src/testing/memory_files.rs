//! [`Files`] in memory, with the faults of a disk.

use std::any::Any;
use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use latewood_base::Rng;
use parking_lot::{Condvar, Mutex};

use crate::files::{Files, SegmentFile};

const SECTOR: usize = 512;

/// What a crash does to writes that were not synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// The process is killed; the machine goes on, and nothing is lost.
    Nothing,
    /// All of them are lost.
    All,
    /// The first ones are kept, the last of those in part.
    Torn,
    /// Any sectors are kept and any are lost.
    Sectors,
}

/// A disk with one directory, in the hands of a test. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct MemoryFiles(Arc<Shared>);

/// The disk as a process sees it that was started after some number of crashes. The next crash ends it.
#[derive(Clone, Debug)]
struct Mounted {
    files: MemoryFiles,
    epoch: u64,
}

#[derive(Debug, Default)]
struct Shared {
    disk: Mutex<Disk>,
    released: Condvar,
}

#[derive(Debug, Default)]
struct Disk {
    /// Counts crashes: what was opened before the last one is of no use.
    epoch: u64,
    locked: bool,
    names: BTreeMap<String, u64>,
    durable_names: BTreeMap<String, u64>,
    nodes: BTreeMap<u64, Node>,
    capacity: Option<usize>,
    fail_sync: bool,
    hold_syncs: bool,
    syncs: u64,
}

#[derive(Debug, Default)]
struct Node {
    now: Vec<u8>,
    durable: Vec<u8>,
    unsynced: Vec<Change>,
}

#[derive(Clone, Debug)]
enum Change {
    Write(usize, Vec<u8>),
    Resize(usize),
}

impl Change {
    fn apply(&self, to: &mut Vec<u8>) {
        match self {
            Self::Write(at, bytes) => {
                let end = at + bytes.len();
                if to.len() < end {
                    to.resize(end, 0);
                }
                to[*at..end].copy_from_slice(bytes);
            }
            Self::Resize(len) => to.resize(*len, 0),
        }
    }
}

impl MemoryFiles {
    /// An empty disk.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The disk for a process that is started now.
    #[must_use]
    pub fn mount(&self) -> Arc<dyn Files> {
        Arc::new(Mounted { files: self.clone(), epoch: self.0.disk.lock().epoch })
    }

    /// The machine stops. What was open fails from now on; what is left of unsynced writes depends on
    /// `loss` and chance. The journal can be opened again at once.
    pub fn crash(&self, loss: Loss, rng: &Rng) {
        let mut disk = self.0.disk.lock();
        disk.epoch += 1;
        disk.locked = false;
        disk.hold_syncs = false;
        disk.fail_sync = false;
        disk.lose_names(loss, rng);
        for node in disk.nodes.values_mut() {
            node.lose(loss, rng);
        }
        self.0.released.notify_all();
    }

    /// The next sync fails, and with it the journal.
    pub fn fail_next_sync(&self) {
        self.0.disk.lock().fail_sync = true;
    }

    /// Syncs wait until [`MemoryFiles::release_syncs`].
    pub fn hold_syncs(&self) {
        self.0.disk.lock().hold_syncs = true;
    }

    /// Lets waiting syncs go on.
    pub fn release_syncs(&self) {
        self.0.disk.lock().hold_syncs = false;
        self.0.released.notify_all();
    }

    /// Writes fail when all files together would be larger than this.
    pub fn set_capacity(&self, bytes: Option<usize>) {
        self.0.disk.lock().capacity = bytes;
    }

    /// How many syncs of files there were.
    #[must_use]
    pub fn syncs(&self) -> u64 {
        self.0.disk.lock().syncs
    }

    /// The files and their sizes.
    #[must_use]
    pub fn sizes(&self) -> BTreeMap<String, usize> {
        let disk = self.0.disk.lock();
        disk.names.iter().map(|(name, node)| (name.clone(), disk.nodes[node].now.len())).collect()
    }

    /// The content of a file.
    #[must_use]
    pub fn content(&self, name: &str) -> Option<Vec<u8>> {
        let disk = self.0.disk.lock();
        disk.names.get(name).map(|node| disk.nodes[node].now.clone())
    }

    /// Replaces a file, durably.
    pub fn set_content(&self, name: &str, content: Vec<u8>) {
        let mut disk = self.0.disk.lock();
        let id = disk.names.get(name).copied().unwrap_or_else(|| disk.new_node());
        disk.names.insert(name.to_owned(), id);
        disk.durable_names.insert(name.to_owned(), id);
        disk.nodes.insert(id, Node { now: content.clone(), durable: content, unsynced: Vec::new() });
    }
}

impl Disk {
    fn new_node(&mut self) -> u64 {
        let id = self.nodes.len() as u64 + 1;
        self.nodes.insert(id, Node::default());
        id
    }

    fn lose_names(&mut self, loss: Loss, rng: &Rng) {
        if loss == Loss::All {
            self.names = self.durable_names.clone();
        } else if loss != Loss::Nothing {
            let (now, durable) = (self.names.clone(), self.durable_names.clone());
            for (name, node) in durable.iter().chain(&now) {
                if now.contains_key(name) != durable.contains_key(name) {
                    if rng.below(2) == 0 {
                        self.names.remove(name);
                    } else {
                        self.names.insert(name.clone(), *node);
                    }
                }
            }
        }
        if loss != Loss::Nothing {
            self.durable_names = self.names.clone();
        }
    }

    fn used(&self) -> usize {
        self.names.values().map(|node| self.nodes[node].now.len()).sum()
    }
}

impl Node {
    fn lose(&mut self, loss: Loss, rng: &Rng) {
        let changes = if loss == Loss::Nothing {
            return;
        } else {
            std::mem::take(&mut self.unsynced)
        };
        let mut left = self.durable.clone();
        match loss {
            Loss::Nothing | Loss::All => {}
            Loss::Torn => {
                let keep = usize::try_from(rng.below(changes.len() as u64 + 1)).unwrap_or(0);
                changes.iter().take(keep).for_each(|change| change.apply(&mut left));
                if let Some(Change::Write(at, bytes)) = changes.get(keep) {
                    let part = usize::try_from(rng.below(bytes.len() as u64 + 1)).unwrap_or(0);
                    Change::Write(*at, bytes[..part].to_vec()).apply(&mut left);
                }
            }
            Loss::Sectors => changes.iter().for_each(|change| change.apply_some(&mut left, rng)),
        }
        self.now.clone_from(&left);
        self.durable = left;
    }
}

impl Change {
    /// Each sector of a write reaches the disk or not.
    fn apply_some(&self, to: &mut Vec<u8>, rng: &Rng) {
        let Self::Write(at, bytes) = self else {
            return self.apply(to);
        };
        let mut from = 0;
        while from < bytes.len() {
            let until = (((at + from) / SECTOR + 1) * SECTOR - at).min(bytes.len());
            if rng.below(2) == 0 {
                Self::Write(at + from, bytes[from..until].to_vec()).apply(to);
            }
            from = until;
        }
    }
}

impl Mounted {
    fn with<R>(&self, work: impl FnOnce(&mut Disk) -> io::Result<R>) -> io::Result<R> {
        let mut disk = self.files.0.disk.lock();
        if disk.epoch != self.epoch {
            return Err(io::Error::other("the machine has crashed"));
        }
        work(&mut disk)
    }

    fn file(&self, node: u64) -> Arc<dyn SegmentFile> {
        Arc::new(MemoryFile { disk: self.clone(), node })
    }
}

impl Files for Mounted {
    fn lock(&self) -> io::Result<Box<dyn Any + Send + Sync>> {
        self.with(|disk| {
            if std::mem::replace(&mut disk.locked, true) {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            Ok(())
        })?;
        Ok(Box::new(Lock(self.clone())))
    }

    fn list(&self) -> io::Result<Vec<String>> {
        self.with(|disk| Ok(disk.names.keys().cloned().collect()))
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn SegmentFile>> {
        let node = self.with(|disk| {
            if disk.names.contains_key(name) {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            let node = disk.new_node();
            disk.names.insert(name.to_owned(), node);
            Ok(node)
        })?;
        Ok(self.file(node))
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn SegmentFile>> {
        let node =
            self.with(|disk| disk.names.get(name).copied().ok_or_else(|| io::ErrorKind::NotFound.into()))?;
        Ok(self.file(node))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.with(|disk| disk.names.remove(name).map(drop).ok_or_else(|| io::ErrorKind::NotFound.into()))
    }

    fn sync_directory(&self) -> io::Result<()> {
        self.with(|disk| {
            disk.durable_names = disk.names.clone();
            Ok(())
        })
    }

    fn path(&self, name: &str) -> PathBuf {
        PathBuf::from("/memory").join(name)
    }
}

struct Lock(Mounted);

impl Drop for Lock {
    fn drop(&mut self) {
        let unlocked = self.0.with(|disk| {
            disk.locked = false;
            Ok(())
        });
        drop(unlocked);
    }
}

#[derive(Debug)]
struct MemoryFile {
    disk: Mounted,
    node: u64,
}

impl MemoryFile {
    fn with<R>(&self, work: impl FnOnce(&mut Disk) -> io::Result<R>) -> io::Result<R> {
        self.disk.with(work)
    }

    fn change(&self, disk: &mut Disk, change: Change) -> io::Result<()> {
        let node = disk.nodes.get_mut(&self.node).ok_or(io::ErrorKind::NotFound)?;
        change.apply(&mut node.now);
        node.unsynced.push(change);
        Ok(())
    }
}

impl SegmentFile for MemoryFile {
    fn len(&self) -> io::Result<u64> {
        self.with(|disk| Ok(disk.nodes[&self.node].now.len() as u64))
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        self.with(|disk| {
            let content = &disk.nodes[&self.node].now;
            let rest = content.get(usize::try_from(offset).unwrap_or(usize::MAX)..).unwrap_or_default();
            let count = rest.len().min(into.len());
            into[..count].copy_from_slice(&rest[..count]);
            Ok(count)
        })
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.with(|disk| {
            let at = usize::try_from(offset).unwrap_or(usize::MAX);
            let grows = (at + bytes.len()).saturating_sub(disk.nodes[&self.node].now.len());
            let room = disk.capacity.map_or(usize::MAX, |capacity| capacity.saturating_sub(disk.used()));
            if grows <= room {
                return self.change(disk, Change::Write(at, bytes.to_vec()));
            }
            let part = bytes.len() - (grows - room);
            self.change(disk, Change::Write(at, bytes[..part].to_vec()))?;
            Err(io::ErrorKind::StorageFull.into())
        })
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        self.with(|disk| self.change(disk, Change::Resize(usize::try_from(len).unwrap_or(usize::MAX))))
    }

    fn reserve(&self, len: u64) -> io::Result<()> {
        self.truncate(len)
    }

    fn sync(&self) -> io::Result<()> {
        let shared = &self.disk.files.0;
        let mut disk = shared.disk.lock();
        while disk.hold_syncs && disk.epoch == self.disk.epoch {
            shared.released.wait(&mut disk);
        }
        drop(disk);
        self.with(|disk| {
            disk.syncs += 1;
            if std::mem::take(&mut disk.fail_sync) {
                return Err(io::Error::other("injected: the sync failed"));
            }
            let node = disk.nodes.get_mut(&self.node).ok_or(io::ErrorKind::NotFound)?;
            for change in std::mem::take(&mut node.unsynced) {
                change.apply(&mut node.durable);
            }
            Ok(())
        })
    }
}
