//! Runs the scripts of `tests/scripts`, and those of the folder that `LATEWOOD_PROMQLTEST` names.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use latewood_promql::Features;
use latewood_testkit::promqltest::{Report, run_script, run_script_with};

fn scripts(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("the folder of scripts");
    let paths = entries.map(|entry| entry.expect("a script").path());
    let mut paths: Vec<PathBuf> =
        paths.filter(|path| path.extension().is_some_and(|extension| extension == "test")).collect();
    paths.sort();
    assert!(!paths.is_empty(), "no scripts in {}", folder.display());
    paths
}

fn run(path: &Path) -> Report {
    let text = std::fs::read_to_string(path).expect("a readable script");
    run_script(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The same where names are dropped at once; types may be told by labels.
fn run_without_delay(path: &Path, type_and_unit_labels: bool) -> Report {
    let text = std::fs::read_to_string(path).expect("a readable script");
    let features = Features { promql_delayed_name_removal: false, type_and_unit_labels, ..Features::ALL };
    run_script_with(&text, features).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn our_scripts_pass() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scripts");
    let mut problems = String::new();
    let runs = scripts(&folder).into_iter().flat_map(|path| {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let (only_delayed, only_immediate) = (name.starts_with("delayed"), name.starts_with("immediate"));
        let delayed = (!only_immediate).then(|| run(&path));
        let immediate = (!only_delayed).then(|| run_without_delay(&path, only_immediate));
        delayed.into_iter().chain(immediate).map(move |report| (path.clone(), report))
    });
    for (path, report) in runs {
        assert!(report.passed > 0, "{}", path.display());
        for failure in report.failures.iter().chain(&report.unparsed) {
            let (line, query, reason) = (failure.line, &failure.query, &failure.reason);
            let _ = writeln!(problems, "{}:{line}: {query}: {reason}", path.display());
        }
    }
    assert!(problems.is_empty(), "{problems}");
}

#[test]
fn the_scripts_of_another_folder_pass() {
    let Some(folder) = std::env::var_os("LATEWOOD_PROMQLTEST") else {
        return;
    };
    let (mut problems, mut passed) = (String::new(), 0);
    for path in scripts(Path::new(&folder)) {
        let report = run(&path);
        passed += report.passed;
        println!(
            "{}: {} passed, {} failed, {} not parsed",
            path.display(),
            report.passed,
            report.failures.len(),
            report.unparsed.len()
        );
        for failure in &report.unparsed {
            println!("  not parsed: {}: {}", failure.query, failure.reason);
        }
        for failure in &report.failures {
            let (line, query, reason) = (failure.line, &failure.query, &failure.reason);
            let _ = writeln!(problems, "{}:{line}: {query}\n    {reason}", path.display());
        }
    }
    assert!(problems.is_empty(), "{passed} passed\n{problems}");
}
