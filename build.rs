//! Tells the binary what it is built from. Without git, or outside of a checkout, it builds all the same: the
//! variables of the environment count, or nothing is known.

use std::env;
use std::path::Path;
use std::process::Command;

fn main() {
    let git = |args: &[&str]| output(Command::new("git").args(args));
    let revision = given("LATEWOOD_REVISION").or_else(|| git(&["rev-parse", "HEAD"]));
    let branch = given("LATEWOOD_BRANCH").or_else(|| git(&["rev-parse", "--abbrev-ref", "HEAD"]));
    let date = given("LATEWOOD_BUILD_DATE").or_else(|| {
        git(&["show", "--no-patch", "--date=format-local:%Y%m%d-%H:%M:%S", "--format=%cd", "HEAD"])
    });
    let compiler = env::var_os("RUSTC").and_then(|rustc| output(Command::new(rustc).arg("--version")));
    for (name, value) in [
        ("LATEWOOD_REVISION", revision),
        ("LATEWOOD_BRANCH", branch),
        ("LATEWOOD_BUILD_DATE", date),
        ("LATEWOOD_COMPILER", compiler),
    ] {
        println!("cargo::rustc-env={name}={}", value.unwrap_or_default());
        println!("cargo::rerun-if-env-changed={name}");
    }
    println!("cargo::rerun-if-changed=build.rs");
    // The log of HEAD changes with each commit and each switch of branches, in worktrees too.
    if let Some(log) = git(&["rev-parse", "--git-path", "logs/HEAD"]).filter(|log| Path::new(log).exists()) {
        println!("cargo::rerun-if-changed={log}");
    }
}

fn given(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

/// The first line of what a program prints, if it can be run and ends well.
fn output(command: &mut Command) -> Option<String> {
    let output = command.env("TZ", "UTC").output().ok().filter(|output| output.status.success())?;
    let line = String::from_utf8(output.stdout).ok()?.lines().next()?.trim().to_owned();
    (!line.is_empty()).then_some(line)
}
