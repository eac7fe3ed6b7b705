//! The files of one folder: one open for each window, one after the other.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use latewood_model::TimestampMs;

use super::cut::Cut;
use super::output::{Finished, sync_folder};
use super::part::{Part, Rows};
use crate::{BlockError, PartMeta, WriterConfig};

/// Windows that may be open at once: each has a row group in memory.
const MAX_WINDOWS: usize = 64;

/// A file that is written and will not change, of a block that is not finished.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FinishedPart {
    /// Where it lies. It may be deleted once it is stored elsewhere: [`crate::BlockWriter::finish`] does not need it.
    pub local: PathBuf,
    /// Its path in the block.
    pub path: String,
    /// Bytes.
    pub size: u64,
    /// CRC-32C of the whole file.
    pub crc32c: u32,
}

/// Where files are made, and how.
pub(super) struct Workshop {
    pub(super) dir: PathBuf,
    pub(super) cut: Cut,
    pub(super) config: WriterConfig,
}

/// The files of one folder.
pub(super) struct Parts<R> {
    /// The number and the part of each window, by its start.
    open: BTreeMap<TimestampMs, (u32, Part<R>)>,
    /// By their numbers; none for those that are open.
    closed: Vec<Option<Closed>>,
    /// How many parts each folder of a window has.
    named: BTreeMap<String, u32>,
}

struct Closed {
    meta: PartMeta,
    done: Finished,
    is_handed_out: bool,
}

impl<R> Default for Parts<R> {
    fn default() -> Self {
        Self { open: BTreeMap::new(), closed: Vec::new(), named: BTreeMap::new() }
    }
}

impl<R: Rows> Parts<R> {
    /// The number and the part that take the next run of a window.
    pub(super) fn open(
        &mut self,
        shop: &Workshop,
        window: TimestampMs,
    ) -> Result<(u32, &mut Part<R>), BlockError> {
        let open = match self.open.remove(&window) {
            Some((number, part)) if part.bytes() >= shop.config.part_bytes => {
                self.close(number, window, part)?;
                self.create(shop, window)?
            }
            Some(open) => open,
            None => self.create(shop, window)?,
        };
        let (number, part) = self.open.entry(window).or_insert(open);
        Ok((*number, part))
    }

    fn create(&mut self, shop: &Workshop, window: TimestampMs) -> Result<(u32, Part<R>), BlockError> {
        if self.open.len() >= MAX_WINDOWS {
            return Err(BlockError::TooLarge { what: "too many windows", limit: MAX_WINDOWS as u64 });
        }
        let number = self.closed.len() as u32;
        let folder = match shop.cut {
            Cut::Late => R::FOLDER.to_owned(),
            Cut::At(_) | Cut::Every(_) => window_folder(R::FOLDER, window),
        };
        let path = shop.dir.join(&folder);
        std::fs::create_dir_all(&path).map_err(|error| BlockError::disk(&path, &error))?;
        let name = match shop.cut {
            Cut::Late => format!("{folder}/open-{number}.parquet"),
            Cut::At(_) | Cut::Every(_) => self.name_in(&folder),
        };
        let part = Part::create(&shop.dir, name, &shop.config)?;
        self.closed.push(None);
        Ok((number, part))
    }

    /// The path of the next part in a window's folder.
    fn name_in(&mut self, folder: &str) -> String {
        let next = self.named.entry(folder.to_owned()).or_default();
        *next += 1;
        format!("{folder}/part-{}.parquet", *next - 1)
    }

    fn close(&mut self, number: u32, window: TimestampMs, part: Part<R>) -> Result<(), BlockError> {
        let (meta, done) = part.finish(window)?;
        if let Some(place) = self.closed.get_mut(number as usize) {
            *place = Some(Closed { meta, done, is_handed_out: false });
        }
        Ok(())
    }

    /// The parts that were closed since it was last asked, under their names.
    pub(super) fn take_finished(&mut self, shop: &Workshop) -> Vec<FinishedPart> {
        if shop.cut == Cut::Late {
            return Vec::new();
        }
        let fresh = self.closed.iter_mut().flatten().filter(|closed| !closed.is_handed_out);
        let taken = fresh.map(|closed| {
            closed.is_handed_out = true;
            let file = &closed.done.file;
            FinishedPart {
                local: shop.dir.join(&file.path),
                path: file.path.clone(),
                size: file.size,
                crc32c: file.crc32c,
            }
        });
        taken.collect()
    }

    /// Ends the open parts. Where the window was not known before, it begins at `late`, and the parts move there.
    pub(super) fn finish(
        mut self,
        shop: &Workshop,
        late: TimestampMs,
    ) -> Result<(Vec<PartMeta>, Vec<Finished>), BlockError> {
        while let Some((window, (number, part))) = self.open.pop_first() {
            self.close(number, window, part)?;
        }
        if shop.cut == Cut::Late {
            self.move_to(&shop.dir, late)?;
        }
        self.named.keys().try_for_each(|folder| sync_folder(&shop.dir.join(folder)))?;
        if !self.named.is_empty() {
            sync_folder(&shop.dir.join(R::FOLDER))?;
        }
        Ok(self.closed.into_iter().flatten().map(|closed| (closed.meta, closed.done)).unzip())
    }

    fn move_to(&mut self, dir: &Path, window: TimestampMs) -> Result<(), BlockError> {
        if self.closed.is_empty() {
            return Ok(());
        }
        let folder = window_folder(R::FOLDER, window);
        let path = dir.join(&folder);
        std::fs::create_dir(&path).map_err(|error| BlockError::disk(&path, &error))?;
        for place in 0..self.closed.len() {
            let name = self.name_in(&folder);
            let Some(closed) = self.closed.get_mut(place).and_then(Option::as_mut) else { continue };
            let from = dir.join(&closed.done.file.path);
            std::fs::rename(&from, dir.join(&name)).map_err(|error| BlockError::disk(&from, &error))?;
            (closed.meta.path, closed.meta.window) = (name.clone(), window);
            closed.done.file.path.clone_from(&name);
            closed.done.entry.path = name;
        }
        Ok(())
    }
}

/// The folder of the window that begins at a time, named to the second and held within four-digit years. Windows
/// beyond them share one.
fn window_folder(folder: &str, start: TimestampMs) -> String {
    let seconds = start.div_euclid(1_000).clamp(-62_167_219_200, 253_402_300_799);
    let time = chrono::DateTime::from_timestamp(seconds, 0).unwrap_or_default();
    format!("{folder}/w={}", time.format("%Y-%m-%dT%H:%M:%SZ"))
}
