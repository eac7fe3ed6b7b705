//! Rules of the house that no compiler checks: files stay short, modules say what they are, links lead
//! somewhere.

use std::fs;
use std::path::{Path, PathBuf};

/// Lines of a source file, tests at its end not counted.
const MAX_LINES: usize = 500;

#[test]
fn source_files_are_short_and_say_what_they_are() {
    let mut broken = Vec::new();
    for path in files_with("rs") {
        let text = fs::read_to_string(&path).unwrap();
        let lines = text.lines().take_while(|line| *line != "#[cfg(test)]").count();
        let is_test = path.components().any(|part| part.as_os_str() == "tests") || path.ends_with("tests.rs");
        let is_fuzz_target = path.components().any(|part| part.as_os_str() == "fuzz");
        if lines > MAX_LINES && !is_test {
            broken.push(format!("{} has {lines} lines: split it", path.display()));
        }
        if !text.starts_with("//!") && !is_test && !is_fuzz_target {
            broken.push(format!("{} does not open with `//!`: say what it owns", path.display()));
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn links_between_documents_lead_somewhere() {
    let mut broken = Vec::new();
    for path in files_with("md") {
        let text = fs::read_to_string(&path).unwrap();
        let folder = path.parent().unwrap();
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let file = target.split('#').next().unwrap_or_default();
            let is_ours = !target.contains("://") && !target.starts_with('#');
            if is_ours && !folder.join(file).exists() {
                broken.push(format!("{}: {target}", path.display()));
            }
        }
    }
    assert!(broken.is_empty(), "dead links: {broken:#?}");
}

#[test]
fn every_decision_and_format_is_listed_where_a_reader_starts() {
    let architecture = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let missing: Vec<PathBuf> = files_with("md")
        .into_iter()
        .map(|path| path.strip_prefix(root()).unwrap().to_owned())
        .filter(|path| path.starts_with("docs/adr") || path.starts_with("docs/format"))
        .filter(|path| !architecture.contains(&*path.to_string_lossy()))
        .collect();
    assert!(missing.is_empty(), "ARCHITECTURE.md does not name {missing:?}");
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The files of this repository with an extension, without build products and what is not ours.
fn files_with(extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let is_foreign =
                name.starts_with('.') || ["target", "data", "node_modules"].contains(&name.as_str());
            if path.is_dir() && !is_foreign {
                folders.push(path);
            } else if path.extension().is_some_and(|found| found == extension) {
                found.push(path);
            }
        }
    }
    found
}
