//! Blocks of a real Prometheus, imported: the same answers.

mod golden;
mod prometheus;
mod recorded;
mod thanos;

use std::path::Path;
use std::process::Command;

use crate::harness::SeaweedFs;

/// What an import printed, and whether all went well.
struct Imported {
    stdout: String,
    stderr: String,
    is_good: bool,
}

/// Runs `latewood import` to its end.
fn import(data: &Path, args: &[&str]) -> Imported {
    let mut command = Command::new(env!("CARGO_BIN_EXE_latewood"));
    command.arg("import").args(args).arg("--data-dir").arg(data).envs(SeaweedFs::CREDENTIALS);
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Imported { stdout: text(output.stdout), stderr: text(output.stderr), is_good: output.status.success() }
}

impl Imported {
    /// All went well and the last word has these parts.
    #[track_caller]
    fn assert_good(&self, parts: &[&str]) {
        assert!(self.is_good, "{}{}", self.stderr, self.stdout);
        self.assert_says(parts);
    }

    #[track_caller]
    fn assert_says(&self, parts: &[&str]) {
        let missing: Vec<_> = parts
            .iter()
            .filter(|part| !self.stderr.contains(**part) && !self.stdout.contains(**part))
            .collect();
        assert!(missing.is_empty(), "{missing:?} is not in\n{}{}", self.stderr, self.stdout);
    }
}
