//! Folders whose names outlive a power cut.

use std::fs::{self, File};
use std::io;
use std::path::Path;

/// Makes a folder with those above it that are missing, and fsyncs the parent of each that was made: a file
/// that is fsynced below is lost all the same when the name of a folder on the way to it is. Blocks.
///
/// # Errors
/// The system refuses.
pub fn make_folder(folder: &Path) -> io::Result<()> {
    let missing: Vec<&Path> = folder.ancestors().take_while(|folder| !folder.exists()).collect();
    for folder in missing.into_iter().rev().filter(|folder| !folder.as_os_str().is_empty()) {
        match fs::create_dir(folder) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            made => made?,
        }
        sync_parent(folder)?;
    }
    Ok(())
}

/// Makes a folder's own name durable. Blocks.
///
/// # Errors
/// The system refuses.
pub fn sync_parent(folder: &Path) -> io::Result<()> {
    let parent = folder.parent().filter(|parent| !parent.as_os_str().is_empty());
    File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_folders_on_the_way_are_made_and_made_ones_are_no_error() {
        let root = std::env::temp_dir().join(format!("latewood-folders-{}", std::process::id()));
        let deep = root.join("a/b/c");
        make_folder(&deep).unwrap();
        make_folder(&deep).unwrap();
        assert!(deep.is_dir());
        fs::write(root.join("file"), b"x").unwrap();
        assert!(make_folder(&root.join("file/below")).is_err());
        fs::remove_dir_all(&root).unwrap();
    }
}
