//! Listings of a directory bucket, in the order of keys.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use futures::StreamExt;
use futures::stream::{self, BoxStream};
use tokio::sync::mpsc;

use super::files::info;
use super::{Tree, error_of};
use crate::key::TEMPORARY_SUFFIX;
use crate::{BucketError, ObjectInfo, key};

/// How many found objects wait for the reader of a listing.
const QUEUE: usize = 256;

type Found = Result<ObjectInfo, BucketError>;

/// The objects below `prefix` after `start_after`, found on a blocking thread as they are asked for.
pub(super) fn list(
    tree: Arc<Tree>,
    prefix: String,
    start_after: Option<String>,
) -> BoxStream<'static, Found> {
    if let Err(error) = key::check_folder(&prefix) {
        return stream::iter([Err(error)]).boxed();
    }
    let begin = async move {
        let (found, queue) = mpsc::channel(QUEUE);
        tokio::task::spawn_blocking(move || {
            let walk = Walk { start_after, found: &found };
            let walked = walk.folder(&tree.root.join(&prefix), &prefix);
            // Looked at last: a folder that goes in the middle of a walk gives a listing that is cut short.
            let error = tree.absence(&prefix).or(walked.err().map(|error| error_of(&prefix, &error)));
            if let Some(error) = error {
                // The reader may have gone, which is no error.
                let _ = found.blocking_send(Err(error));
            }
        });
        stream::unfold(queue, |mut queue| async move { queue.recv().await.map(|next| (next, queue)) })
    };
    stream::once(begin).flatten().boxed()
}

struct Walk<'a> {
    start_after: Option<String>,
    found: &'a mpsc::Sender<Found>,
}

impl Walk<'_> {
    /// Sends what is below a folder; `key` is the folder's own key.
    fn folder(&self, path: &Path, key: &str) -> io::Result<()> {
        for (name, is_folder) in entries(path)? {
            let name = name.trim_end_matches('/');
            let key = if key.is_empty() { name.to_owned() } else { format!("{key}/{name}") };
            if self.found.is_closed() {
                return Ok(());
            }
            if is_folder && !self.is_before(&format!("{key}/")) {
                self.folder(&path.join(name), &key)?;
            } else if !is_folder && self.start_after.as_ref().is_none_or(|after| key > *after) {
                self.object(&path.join(name), key)?;
            }
        }
        Ok(())
    }

    /// Whether everything below a folder, given with its `/`, comes before the listing's start.
    fn is_before(&self, folder: &str) -> bool {
        let start_after = self.start_after.as_deref();
        start_after.is_some_and(|after| folder < after && !after.starts_with(folder))
    }

    fn object(&self, path: &Path, key: String) -> io::Result<()> {
        match path.symlink_metadata() {
            Ok(meta) => {
                // A reader that has gone shows at the next entry.
                let _ = self.found.blocking_send(Ok(info(key, &meta)));
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// Files, and folders with a `/` after their names, in the order in which the keys below them come.
fn entries(folder: &Path) -> io::Result<Vec<(String, bool)>> {
    let listing = match fs::read_dir(folder) {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(Vec::new());
        }
        listing => listing?,
    };
    let mut names = Vec::new();
    for entry in listing {
        let entry = entry?;
        let kind = entry.file_type()?;
        // Names that no key can have are not ours.
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        if name.ends_with(TEMPORARY_SUFFIX) || !(kind.is_dir() || kind.is_file()) {
            continue;
        }
        names.push(if kind.is_dir() { (name + "/", true) } else { (name, false) });
    }
    names.sort();
    Ok(names)
}

/// The names of the folders directly below one.
pub(super) fn folders(tree: &Tree, prefix: &str) -> Result<Vec<String>, BucketError> {
    let found = entries(&tree.root.join(prefix)).map_err(|error| error_of(prefix, &error))?;
    if let Some(error) = tree.absence(prefix) {
        return Err(error);
    }
    let folders = found.into_iter().filter(|(_, is_folder)| *is_folder);
    let mut names: Vec<String> = folders.map(|(name, _)| name.trim_end_matches('/').to_owned()).collect();
    names.sort();
    Ok(names)
}
