//! What the data directory remembers: how many shards there are.
//!
//! ```text
//! <data>/shards.json   {"version":1,"shards":4}, written once
//! <data>/journal/      segments of all shards
//! <data>/unflushed/    local blocks that wait for the bucket
//! ```

use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::StartError;

const FILE: &str = "shards.json";
const VERSION: u32 = 1;

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Layout {
    version: u32,
    shards: u32,
}

/// The number of shards of a data directory, which is made and gets `wanted` when it is new. A directory
/// that has shards keeps their number: what they hold would be lost from sight otherwise.
pub(super) fn shards(data_dir: &Path, wanted: u32) -> Result<u32, StartError> {
    let path = data_dir.join(FILE);
    let failed = |error: &dyn ToString| StartError::DataDir {
        path: path.display().to_string(),
        message: error.to_string(),
    };
    fs::create_dir_all(data_dir).map_err(|error| failed(&error))?;
    match fs::read(&path) {
        Ok(json) => {
            let hint = "restore it, or move the data directory away to begin anew without what it holds";
            let layout: Layout =
                serde_json::from_slice(&json).map_err(|error| failed(&format!("{error}: {hint}")))?;
            if layout.version != VERSION || layout.shards == 0 {
                return Err(failed(&format!(
                    "version {} with {} shards is not known: {hint}",
                    layout.version, layout.shards
                )));
            }
            if layout.shards != wanted {
                let (kept, wanted) = (layout.shards, wanted);
                tracing::warn!(kept, wanted, "the data directory keeps its number of shards");
            }
            Ok(layout.shards)
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let layout = Layout { version: VERSION, shards: wanted };
            write(data_dir, &path, &layout).map_err(|error| failed(&error))?;
            Ok(wanted)
        }
        Err(error) => Err(failed(&error)),
    }
}

fn write(data_dir: &Path, path: &Path, layout: &Layout) -> std::io::Result<()> {
    let draft = data_dir.join("shards.draft");
    fs::write(&draft, serde_json::to_vec(layout)?)?;
    fs::File::open(&draft)?.sync_all()?;
    fs::rename(&draft, path)?;
    fs::File::open(data_dir)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_keeps_its_number_of_shards() {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("new");
        assert_eq!((shards(&data, 3).unwrap(), shards(&data, 4).unwrap()), (3, 3));
        fs::write(data.join(FILE), b"{\"version\":2,\"shards\":3}").unwrap();
        assert!(shards(&data, 3).unwrap_err().to_string().contains("version 2"));
    }
}
