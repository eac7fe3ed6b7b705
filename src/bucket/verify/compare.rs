//! What a listing has against what catalogs name: pure.

use std::collections::BTreeMap;
use std::sync::Arc;

use latewood_base::Ulid;
use latewood_block::BlockMeta;
use latewood_catalog::{BlockEntry, Place, View};
use latewood_model::{Resolution, TenantId, TimestampMs};

/// Something worth saying.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// Something is wrong.
    Wrong(String),
    /// Something that goes by itself.
    Note(String),
}

/// A block's folder.
type Folder = (TenantId, Resolution, Ulid);

/// The objects of a bucket by what they are.
#[derive(Debug, Default)]
pub struct Listing {
    folders: BTreeMap<Folder, Contents>,
    /// Keys that Latewood does not write.
    foreign: Vec<String>,
}

#[derive(Debug, Default)]
struct Contents {
    /// Sizes by path below the folder.
    files: BTreeMap<String, u64>,
    /// When the youngest was written.
    newest_ms: TimestampMs,
}

impl Listing {
    /// Takes note of an object.
    pub fn add(&mut self, key: String, size: u64, modified_ms: TimestampMs) {
        match Place::of(&key) {
            Place::Block { tenant, resolution, id, path } => {
                let folder = self.folders.entry((tenant, resolution, id)).or_default();
                folder.files.insert(path, size);
                folder.newest_ms = folder.newest_ms.max(modified_ms);
            }
            Place::Foreign => self.foreign.push(key),
            Place::Catalog(_) | Place::Ours => {}
        }
    }

    /// Whether a tenant has any block's folder.
    pub fn has_blocks(&self, tenant: &TenantId) -> bool {
        self.folders.keys().any(|(owner, _, _)| owner == tenant)
    }

    /// Compares a live block's files with what its entry says of them.
    pub fn check_block(&self, tenant: &TenantId, block: &BlockEntry) -> Vec<Finding> {
        let (empty, folder) = (BTreeMap::new(), block.folder(tenant));
        let contents = self.folders.get(&(tenant.clone(), block.resolution, block.id));
        let there = contents.map_or(&empty, |contents| &contents.files);
        let files = block.files.iter().filter_map(|file| match there.get(&file.path) {
            None => Some(format!("{folder}/{}: missing", file.path)),
            Some(size) if *size != file.size => {
                Some(format!("{folder}/{}: {size} bytes; {} were written", file.path, file.size))
            }
            Some(_) => None,
        });
        let strange = there.keys().filter(|path| block.file(path).is_none());
        let strange = strange.map(|path| format!("{folder}/{path}: the block has no such file"));
        files.chain(strange).map(Finding::Wrong).collect()
    }

    /// What is in folders of blocks that no catalog names, and what is in no place of ours. Tenants whose catalog cannot be
    /// read are left out. A block that is being uploaded is younger than `since_ms`.
    pub fn strangers(
        &self,
        views: &BTreeMap<TenantId, Arc<View>>,
        newer: &BTreeMap<TenantId, Arc<View>>,
        since_ms: TimestampMs,
    ) -> Vec<Finding> {
        let names = |views: &BTreeMap<TenantId, Arc<View>>, (tenant, resolution, id): &Folder| {
            views.get(tenant).is_none_or(|view| {
                let is_live = view.blocks.get(id).is_some_and(|block| block.resolution == *resolution);
                is_live || view.dead.contains_key(id)
            })
        };
        let unknown = self.folders.iter();
        let unknown = unknown.filter(|(folder, _)| !names(views, folder) && !names(newer, folder));
        let blocks = unknown.map(|((tenant, resolution, id), contents)| {
            let what = format!("{tenant}/{resolution}/block={id}: no catalog names it");
            let is_whole = contents.files.contains_key(BlockMeta::FILE);
            match (contents.newest_ms > since_ms, is_whole) {
                (true, _) => Finding::Note(format!("{what}; it is young, and may be on its way")),
                (false, true) => Finding::Wrong(format!("{what}, though it is a whole block")),
                (false, false) => Finding::Note(format!("{what}, and it is unfinished: garbage")),
            }
        });
        let foreign =
            self.foreign.iter().map(|key| Finding::Wrong(format!("{key}: not an object of Latewood's")));
        blocks.chain(foreign).collect()
    }
}

#[cfg(test)]
mod tests {
    use latewood_catalog::{Change, Commit, FileEntry};
    use latewood_model::TimeRange;

    use super::*;

    fn tenant() -> TenantId {
        TenantId::new("t").unwrap()
    }

    fn block() -> BlockEntry {
        let file =
            |path: &str| FileEntry { path: path.to_owned(), size: 10, crc32c: None, footer_offset: None };
        let files = ["index", "meta.json", "samples/a"].map(file).to_vec();
        BlockEntry { files, ..BlockEntry::new(Ulid(7), Resolution::Raw, TimeRange::new(0, 1)) }
    }

    fn listing(files: &[(&str, u64)]) -> Listing {
        let mut listing = Listing::default();
        for (key, size) in files {
            listing.add((*key).to_owned(), *size, 100);
        }
        listing
    }

    #[test]
    fn missing_short_and_strange_files_of_a_block_are_named() {
        let folder = block().folder(&tenant());
        let keys = ["index", "samples/a", "notes"].map(|path| format!("{folder}/{path}"));
        let listing = listing(&[(&keys[0], 10), (&keys[1], 9), (&keys[2], 1)]);
        let texts = [
            format!("{folder}/meta.json: missing"),
            format!("{folder}/samples/a: 9 bytes; 10 were written"),
            format!("{folder}/notes: the block has no such file"),
        ];
        assert_eq!(listing.check_block(&tenant(), &block()), texts.map(Finding::Wrong));
    }

    #[test]
    fn strangers_are_wrong_when_they_are_old_and_whole_or_foreign() {
        let change = Change { add: vec![block()], ..Change::default() };
        let commit = Commit { tenant: tenant(), sequence: 1, id: Ulid(1), at_ms: 0, change };
        let view = Arc::new(View::empty(tenant()).apply(&commit).unwrap());
        let views: BTreeMap<_, _> = [(tenant(), view)].into();
        let folder = |id| format!("t/raw/block={}", Ulid(id));
        let keys = [
            format!("{}/index", folder(7)),
            format!("{}/meta.json", folder(8)),
            format!("{}/index", folder(9)),
        ];
        let listing =
            listing(&[(&keys[0], 1), (&keys[1], 1), (&keys[2], 1), ("t/notes", 1), ("t/lease/a", 1)]);
        let old = listing.strangers(&views, &views, 100);
        let is_wrong: Vec<bool> = old.iter().map(|finding| matches!(finding, Finding::Wrong(_))).collect();
        assert_eq!(is_wrong, [true, false, true], "{old:?}");
        let young = listing.strangers(&views, &views, 99);
        assert_eq!(
            young.iter().filter(|finding| matches!(finding, Finding::Wrong(_))).count(),
            1,
            "{young:?}"
        );
    }
}
