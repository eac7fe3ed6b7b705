//! What the data directory remembers: the numbers of its shards.
//!
//! ```text
//! <data>/shards.json   {"version":2,"journal":"<ULID>","claimed":[1024,1025]}
//! <data>/journal/      segments of all shards
//! <data>/unflushed/    local blocks that wait for the bucket
//! ```
//! The shard in place n of the list is group n + 1 of the journal and folder `shard-n`; the number in the list
//! is the one in the catalogs, claimed in the bucket for this journal alone. A journal that is empty is a new
//! one, whatever the file says, and gets numbers of its own. Version 1 was `{"version":1,"shards":4}`: its
//! shards have their places as numbers, and nobody claimed them.

use std::fs;
use std::path::Path;

use latewood_base::Ulid;
use serde::{Deserialize, Serialize};

use super::StartError;

const FILE: &str = "shards.json";
const VERSION: u32 = 2;

/// The shards of a data directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    /// The journal; nil when it is from before there were claims.
    pub(crate) journal: Ulid,
    /// The shards' numbers in the catalogs, by place.
    pub(crate) claimed: Vec<u32>,
}

impl Layout {
    /// How many shards there are.
    pub(crate) fn shards(&self) -> u32 {
        u32::try_from(self.claimed.len()).unwrap_or(u32::MAX)
    }
}

/// What is known of a data directory's shards.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// They have numbers.
    Known(Layout),
    /// So many shards need numbers.
    Unclaimed(u32),
}

#[derive(Debug, Deserialize)]
struct AnyVersion {
    version: u32,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Version1 {
    #[serde(rename = "version")]
    _version: u32,
    shards: u32,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Version2 {
    version: u32,
    journal: Ulid,
    claimed: Vec<u32>,
}

/// The shards of a data directory whose journal has these groups; a new one gets `wanted`. One that has shards
/// keeps their number: what they hold would be lost from sight otherwise. Blocks; the journal's lock is held.
pub(super) fn find(data_dir: &Path, groups: &[u64], wanted: u32) -> Result<Found, StartError> {
    let path = data_dir.join(FILE);
    let failed = |error: &dyn ToString| StartError::DataDir {
        path: path.display().to_string(),
        message: error.to_string(),
    };
    let known = match fs::read(&path) {
        Ok(json) => Some(parse(&json).map_err(|problem| {
            failed(&format!("{problem}: restore it, or move it away to have the journal's shards counted"))
        })?),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => return Err(failed(&error)),
    };
    let in_journal = groups.iter().max().map_or(0, |group| u32::try_from(*group).unwrap_or(u32::MAX));
    let folders = unflushed(data_dir).map_err(|error| failed(&error))?;
    decide(known, in_journal, folders, wanted).map_err(|problem| failed(&problem))
}

fn decide(known: Option<Layout>, in_journal: u32, folders: u32, wanted: u32) -> Result<Found, String> {
    let kept = known.as_ref().map_or(in_journal.max(folders), Layout::shards);
    if in_journal > kept {
        return Err(format!("it names {kept} shards, and the journal has {in_journal}: restore it"));
    }
    if kept > 0 && kept != wanted {
        tracing::warn!(kept, wanted, "the data directory keeps its number of shards");
    }
    match known {
        Some(layout) if in_journal > 0 => return Ok(Found::Known(layout)),
        None if kept > 0 => tracing::warn!(shards = kept, "{FILE} is missing: the shards get new numbers"),
        Some(_) => tracing::warn!("the journal is empty: its shards get new numbers"),
        None => {}
    }
    Ok(Found::Unclaimed(if kept == 0 { wanted } else { kept }))
}

fn parse(json: &[u8]) -> Result<Layout, String> {
    let wrong = |error: serde_json::Error| error.to_string();
    let AnyVersion { version } = serde_json::from_slice(json).map_err(wrong)?;
    let layout = match version {
        1 => {
            let Version1 { shards, .. } = serde_json::from_slice(json).map_err(wrong)?;
            Layout { journal: Ulid::nil(), claimed: (0..shards).collect() }
        }
        VERSION => {
            let Version2 { journal, claimed, .. } = serde_json::from_slice(json).map_err(wrong)?;
            Layout { journal, claimed }
        }
        other => return Err(format!("version {other} is not known")),
    };
    if layout.claimed.is_empty() {
        return Err("it names no shards".to_owned());
    }
    Ok(layout)
}

/// How many shards the folders of local blocks speak of.
fn unflushed(data_dir: &Path) -> std::io::Result<u32> {
    let entries = match fs::read_dir(data_dir.join("unflushed")) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(0),
        entries => entries?,
    };
    let mut shards = 0;
    for entry in entries {
        let name = entry?.file_name();
        let place = name.to_str().and_then(|name| name.strip_prefix("shard-")?.parse::<u32>().ok());
        shards = shards.max(place.map_or(0, |place| place.saturating_add(1)));
    }
    Ok(shards)
}

/// Writes them down, durably. Blocks; the journal's lock is held.
pub(super) fn keep(data_dir: &Path, layout: &Layout) -> Result<(), StartError> {
    let (path, draft) = (data_dir.join(FILE), data_dir.join("shards.draft"));
    let file = Version2 { version: VERSION, journal: layout.journal, claimed: layout.claimed.clone() };
    let write = || {
        fs::write(&draft, serde_json::to_vec(&file)?)?;
        fs::File::open(&draft)?.sync_all()?;
        fs::rename(&draft, &path)?;
        fs::File::open(data_dir)?.sync_all()
    };
    let written: std::io::Result<()> = write();
    written
        .map_err(|error| StartError::DataDir { path: path.display().to_string(), message: error.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(claimed: &[u32]) -> Layout {
        Layout { journal: Ulid::from_parts(7, 9), claimed: claimed.to_vec() }
    }

    #[test]
    fn all_versions_are_read_and_the_newest_is_written() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(find(dir.path(), &[], 3).unwrap(), Found::Unclaimed(3));
        keep(dir.path(), &layout(&[1024, 1030])).unwrap();
        let written = fs::read_to_string(dir.path().join(FILE)).unwrap();
        let golden = r#"{"version":2,"journal":"00000000070000000000000009","claimed":[1024,1030]}"#;
        assert_eq!(written, golden);
        assert_eq!(find(dir.path(), &[1, 2], 4).unwrap(), Found::Known(layout(&[1024, 1030])));
        let old = Layout { journal: Ulid::nil(), claimed: vec![0, 1, 2] };
        fs::write(dir.path().join(FILE), b"{\"version\":1,\"shards\":3}").unwrap();
        assert_eq!(find(dir.path(), &[1, 2, 3], 4).unwrap(), Found::Known(old));
        for (json, problem) in [
            (&b"{\"version\":3}"[..], "version 3"),
            (b"{\"version\":1,\"shards\":0}", "no shards"),
            (b"", "EOF"),
        ] {
            fs::write(dir.path().join(FILE), json).unwrap();
            assert!(find(dir.path(), &[], 3).unwrap_err().to_string().contains(problem));
        }
    }

    #[test]
    fn the_number_of_shards_is_never_less_than_there_are() {
        let known = || Some(layout(&[5, 6]));
        assert_eq!(decide(known(), 2, 2, 4), Ok(Found::Known(layout(&[5, 6]))));
        assert_eq!(decide(known(), 1, 0, 4), Ok(Found::Known(layout(&[5, 6]))), "a start that was cut short");
        assert_eq!(decide(known(), 0, 2, 4), Ok(Found::Unclaimed(2)), "the journal was moved away");
        assert!(decide(known(), 3, 2, 4).unwrap_err().contains("the journal has 3"));
        assert_eq!(decide(None, 3, 2, 2), Ok(Found::Unclaimed(3)), "the file was lost");
        assert_eq!(decide(None, 0, 2, 4), Ok(Found::Unclaimed(2)), "the file and the journal were lost");
        assert_eq!(decide(None, 0, 0, 4), Ok(Found::Unclaimed(4)));
    }
}
