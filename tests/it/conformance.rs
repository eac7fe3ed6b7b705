//! The suites that judge any Prometheus-compatible server over HTTP.

use std::path::Path;
use std::process::Command;

use crate::harness::{Latewood, beside};

/// Experimental parts of PromQL, and native histograms: tags of the suite that are not the plain language.
const NOT_PLAIN: &[&str] = &[];

fn run(suite: &Path, program: &str, arguments: &[&str]) -> String {
    let output = Command::new("python3").arg(suite.join(program)).args(arguments).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    println!("{text}{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{program} found failures, see above");
    text
}

#[test]
fn http_api() {
    let Some(suite) = beside("LATEWOOD_CONFORMANCE") else { return };
    let folder = tempfile::tempdir().unwrap();
    let server = Latewood::start(&folder.path().join("data"), &[]);
    run(&suite, "api_http.py", &[&server.url]);
    server.stop();
}

#[test]
fn remote_write() {
    let Some(suite) = beside("LATEWOOD_CONFORMANCE") else { return };
    let folder = tempfile::tempdir().unwrap();
    let server = Latewood::start(&folder.path().join("data"), &[]);
    run(&suite, "remote_write_http.py", &[&server.url]);
    server.stop();
}

#[test]
fn promql() {
    let Some(suite) = beside("LATEWOOD_CONFORMANCE") else { return };
    let folder = tempfile::tempdir().unwrap();
    let server = Latewood::start(&folder.path().join("data"), &[]);
    let mut scripts: Vec<String> = std::fs::read_dir(suite.join("promqltest"))
        .unwrap()
        .map(|entry| entry.unwrap().path().display().to_string())
        .collect();
    scripts.sort();
    let write = format!("{}/api/v1/write", server.url);
    let mut arguments = vec!["--tenant-header", "X-Scope-OrgID"];
    for tag in NOT_PLAIN {
        arguments.extend(["--skip-feature", tag]);
    }
    arguments.extend([write.as_str(), server.url.as_str()]);
    arguments.extend(scripts.iter().map(String::as_str));
    run(&suite, "promqltest_http.py", &arguments);
    server.stop();
}
