//! The suites that judge any Prometheus-compatible server over HTTP.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::harness::{Latewood, beside};

/// Tags that are not the plain language: experimental parts of PromQL, and native histograms.
fn is_plain(tag: &str) -> bool {
    const NOT_PLAIN: &[&str] = &[
        "delayed-name-removal",
        "duration-expression",
        "extended-range",
        "fill-modifier",
        "histogram-trim",
        "load_with_nhcb",
        "native-histogram-loaded",
        "native-histogram-result",
        "nhcb",
        "start-timestamps",
        "type-and-unit",
    ];
    !tag.starts_with("fn:") && !NOT_PLAIN.contains(&tag)
}

/// What promql-parser 0.11 cannot parse although it is plain; docs/gaps.md has the causes.
const REFUSED_BY_PARSER: &[&str] = &[];

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
    let report = folder.path().join("report.json");
    let mut arguments =
        vec!["--quiet", "--json", report.to_str().unwrap(), "--tenant-header", "X-Scope-OrgID"];
    arguments.extend([write.as_str(), server.url.as_str()]);
    arguments.extend(scripts.iter().map(String::as_str));
    let program = suite.join("promqltest_http.py");
    Command::new("python3").arg(program).args(arguments).status().unwrap();
    judge(&serde_json::from_slice(&std::fs::read(report).unwrap()).unwrap());
    server.stop();
}

/// Every eval of the plain language passes, but for what the parser refuses, which is listed.
fn judge(report: &Value) {
    let (mut passed, mut failed, mut refused) = (0, Vec::new(), Vec::new());
    for result in report["results"].as_array().unwrap() {
        let tags = result["features"].as_array().unwrap();
        if !tags.iter().all(|tag| is_plain(tag.as_str().unwrap())) {
            continue;
        }
        let reason = result["reason"].as_str().unwrap_or_default();
        let line = format!("{}: {reason}", result["eval"].as_str().unwrap());
        match result["status"].as_str().unwrap() {
            "passed" => passed += 1,
            "skipped" => {}
            _ if REFUSED_BY_PARSER.iter().any(|part| line.contains(part)) => refused.push(line),
            _ => failed.push(line),
        }
    }
    println!("{passed} plain evals passed; the parser refuses {}: {refused:#?}", refused.len());
    assert!(passed > 500, "only {passed} evals ran");
    assert!(failed.is_empty(), "{} plain evals failed: {failed:#?}", failed.len());
}
