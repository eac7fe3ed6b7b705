//! Which node a data directory is, and of which cluster.
//!
//! ```text
//! <data>/node.json      {"version":1,"node":"<16 hexadecimal digits>","founding":<docs/format/bucket.md> or null}
//! <data>/journal/node   the same digits: the journal that the node voted in
//! ```
//! No node votes twice: one whose journal was lost is another one, and gets another number.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use latewood_base::Rng;
use latewood_catalog::{ClusterRecord, hex_u64};
use serde::{Deserialize, Serialize};

use crate::StartError;

const FILE: &str = "node.json";
const MARK: &str = "journal/node";
const VERSION: u32 = 1;
/// That of an ingester which stands alone.
const ALONE: &str = "shards.json";

/// A node: its number, and the founding of its cluster once it is known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeFile {
    version: u32,
    /// The node's number; never 0.
    #[serde(with = "hex_u64")]
    pub node: u64,
    /// The founding of its cluster.
    pub founding: Option<ClusterRecord>,
}

/// What a data directory says about the node.
#[derive(Debug, Default)]
struct Found {
    file: Option<NodeFile>,
    /// The node that the journal is of.
    mark: Option<u64>,
    /// Whether anything was ever written to the journal.
    has_groups: bool,
    has_stood_alone: bool,
}

#[derive(Debug, Deserialize)]
struct AnyVersion {
    version: u32,
}

impl NodeFile {
    fn new(node: u64, founding: Option<ClusterRecord>) -> Self {
        Self { version: VERSION, node, founding }
    }

    /// The node that a data directory is, if its ingester `joins` a cluster; none where it stands alone. `has_groups` tells
    /// whether its journal, which is open, has any. What is new is written down, durably. Blocks.
    ///
    /// # Errors
    /// The data directory is not one for this, or cannot be used; the text says what to do.
    pub fn open(
        data_dir: &Path,
        has_groups: bool,
        joins: bool,
        rng: &Rng,
    ) -> Result<Option<Self>, StartError> {
        let mut fresh = rng.next_u64();
        while fresh == 0 {
            fresh = rng.next_u64();
        }
        let found = Found::read(data_dir, has_groups)?;
        let (before, mark) = (found.file.clone(), found.mark);
        let decided = decide(found, joins, fresh);
        let node = decided.map_err(|problem| wrong(data_dir, &problem))?;
        if let Some(node) = node.as_ref() {
            if before.as_ref() != Some(node) {
                tracing::info!(node = %format_args!("{:016x}", node.node), "a new node");
                node.keep(data_dir)?;
            }
            if mark != Some(node.node) {
                let path = data_dir.join(MARK);
                write(&path, format!("{:016x}\n", node.node).as_bytes())
                    .map_err(|error| wrong(&path, &error))?;
            }
        }
        Ok(node)
    }

    /// The node as one of this cluster, written down durably. Blocks.
    ///
    /// # Errors
    /// The data directory cannot be written to.
    pub fn of_cluster(&self, data_dir: &Path, founding: ClusterRecord) -> Result<Self, StartError> {
        let node = Self::new(self.node, Some(founding));
        node.keep(data_dir)?;
        Ok(node)
    }

    fn keep(&self, data_dir: &Path) -> Result<(), StartError> {
        let path = data_dir.join(FILE);
        let json = serde_json::to_vec(self).map_err(|error| wrong(&path, &error))?;
        write(&path, &json).map_err(|error| wrong(&path, &error))
    }
}

impl Found {
    fn read(data_dir: &Path, has_groups: bool) -> Result<Self, StartError> {
        let (file, mark, alone) = (data_dir.join(FILE), data_dir.join(MARK), data_dir.join(ALONE));
        let json = read_if_there(&file).map_err(|error| wrong(&file, &error))?;
        let digits = read_if_there(&mark).map_err(|error| wrong(&mark, &error))?;
        let parsed = json.map(|json| parse(&json)).transpose();
        let is_there = alone.try_exists().map_err(|error| wrong(&alone, &error))?;
        Ok(Self {
            file: parsed.map_err(|problem| {
                wrong(&file, &format!("{problem}: restore it, or give the ingester an empty data directory"))
            })?,
            // One that was torn is none: it is written before anything that counts.
            mark: digits.and_then(|digits| number(&digits)),
            has_groups,
            has_stood_alone: is_there,
        })
    }
}

fn parse(json: &[u8]) -> Result<NodeFile, String> {
    let wrong = |error: serde_json::Error| error.to_string();
    let AnyVersion { version } = serde_json::from_slice(json).map_err(wrong)?;
    if version != VERSION {
        return Err(format!("version {version} is not known"));
    }
    let file: NodeFile = serde_json::from_slice(json).map_err(wrong)?;
    if file.node == 0 { Err("its node is 0, which none has".to_owned()) } else { Ok(file) }
}

fn number(digits: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(digits).ok()?.trim_end();
    if text.len() == 16 { u64::from_str_radix(text, 16).ok() } else { None }
}

fn decide(found: Found, joins: bool, fresh: u64) -> Result<Option<NodeFile>, String> {
    let Found { file, mark, has_groups, has_stood_alone } = found;
    if !joins {
        return match file.and_then(|file| file.founding) {
            None => Ok(None),
            Some(founding) => Err(format!(
                "it is a node's of cluster {}, and this ingester is to stand alone: set ring.join_members, or give it an \
                 empty data directory",
                founding.cluster
            )),
        };
    }
    if has_stood_alone {
        return Err("its ingester has stood alone, and ring.join_members would make it a node of a cluster: flush it \
                    with ring.join_members unset (POST /ingester/flush?wait=true), then give it an empty data directory"
            .to_owned());
    }
    let Some(file) = file else {
        return if has_groups {
            Err(format!(
                "{FILE} is missing, and the journal is not empty: restore it, or give the ingester an empty data directory"
            ))
        } else {
            Ok(Some(NodeFile::new(fresh, None)))
        };
    };
    match mark {
        Some(mark) if mark != file.node && has_groups => Err(format!(
            "the journal is of node {mark:016x}, and {FILE} says {:016x}: restore what belongs together",
            file.node
        )),
        Some(mark) if mark == file.node => Ok(Some(file)),
        _ if has_groups => Ok(Some(file)),
        _ => {
            tracing::warn!(node = %format_args!("{:016x}", file.node), "the journal was lost: this is another node now");
            Ok(Some(NodeFile::new(fresh, file.founding)))
        }
    }
}

fn read_if_there(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        read => read.map(Some),
    }
}

/// In place of what was there, durably.
fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let draft: PathBuf = path.with_extension("draft");
    fs::write(&draft, bytes)?;
    fs::File::open(&draft)?.sync_all()?;
    fs::rename(&draft, path)?;
    latewood_base::sync_parent(path)
}

fn wrong(path: &Path, problem: &dyn ToString) -> StartError {
    StartError::DataDir { path: path.display().to_string(), message: problem.to_string() }
}

#[cfg(test)]
mod tests;
