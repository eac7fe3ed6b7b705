//! The suites that judge any Prometheus-compatible server over HTTP.

use std::path::Path;
use std::process::Command;

use latewood_querier::Features;
use serde_json::Value;

use crate::harness::{Latewood, beside};

/// Runs a suite and returns the ids of the checks that failed, of those that count.
fn failures(suite: &Path, program: &str, arguments: &[&str], counts: impl Fn(&Value) -> bool) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let report = folder.path().join("report.json");
    let mut command = Command::new("python3");
    command.arg(suite.join(program)).args(arguments).arg("--json").arg(&report);
    let output = command.output().unwrap();
    println!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let report: Value = serde_json::from_slice(&std::fs::read(report).unwrap()).unwrap();
    let results = report["results"].as_array().or(report["cases"].as_array()).unwrap();
    assert!(results.len() > 60, "{program} ran only {} checks", results.len());
    let failed = results.iter().filter(|result| result["status"] == "failed" && counts(result));
    failed.map(|result| result.to_string()).collect()
}

#[test]
fn http_api() {
    let Some(suite) = beside("LATEWOOD_CONFORMANCE") else { return };
    let folder = tempfile::tempdir().unwrap();
    let server = Latewood::start(&folder.path().join("data"), &[]);
    let is_core = |result: &Value| result.to_string().contains("core");
    let failed = failures(&suite, "api_http.py", &[&server.url], is_core);
    assert!(failed.is_empty(), "{failed:#?}");
    server.stop();
}

#[test]
fn remote_write() {
    let Some(suite) = beside("LATEWOOD_CONFORMANCE") else { return };
    let folder = tempfile::tempdir().unwrap();
    let server = Latewood::start(&folder.path().join("data"), &[]);
    let failed = failures(&suite, "remote_write_http.py", &[&server.url], |_| true);
    assert!(failed.is_empty(), "{failed:#?}");
    server.stop();
}

#[test]
fn promql() {
    let Some(suite) = beside("LATEWOOD_CONFORMANCE") else { return };
    let folder = tempfile::tempdir().unwrap();
    // As upstream runs its own scripts: types are told by names.
    let names: Vec<&str> =
        Features::NAMES.into_iter().filter(|name| *name != "type-and-unit-labels").collect();
    let features = format!("--enable-feature={}", names.join(","));
    let server = Latewood::start(&folder.path().join("data"), &[&features]);
    let mut scripts: Vec<String> = std::fs::read_dir(suite.join("promqltest"))
        .unwrap()
        .map(|entry| entry.unwrap().path().display().to_string())
        .collect();
    scripts.sort();
    let write = format!("{}/api/v1/write", server.url);
    let report = folder.path().join("report.json");
    let mut arguments = vec![
        "--quiet",
        "--start-timestamps",
        "--messages",
        "strict",
        "--json",
        report.to_str().unwrap(),
        "--tenant-header",
        "X-Scope-OrgID",
    ];
    arguments.extend([write.as_str(), server.url.as_str()]);
    arguments.extend(scripts.iter().map(String::as_str));
    let program = suite.join("promqltest_http.py");
    Command::new("python3").arg(program).args(arguments).status().unwrap();
    judge(&serde_json::from_slice(&std::fs::read(report).unwrap()).unwrap());
    server.stop();
}

/// What Prometheus refuses without a feature is refused here, in its words.
#[tokio::test]
async fn experiments_are_off_by_default() {
    const REFUSED: &[(&str, &str)] = &[
        ("a + fill(0) b", "1:1: parse error: binop fill modifiers are experimental and not enabled"),
        ("a anchored", "1:1: parse error: anchored modifier is experimental and not enabled"),
        ("rate(a[5m] smoothed)", "1:6: parse error: smoothed modifier is experimental and not enabled"),
        ("info(a)", r#"1:1: parse error: function "info" is not enabled"#),
    ];
    let folder = tempfile::tempdir().unwrap();
    let server = Latewood::start(&folder.path().join("data"), &[]);
    for (query, text) in REFUSED {
        let request = reqwest::Client::new().get(format!("{}/api/v1/query", server.url));
        let answer = request.query(&[("query", query)]).send().await.unwrap();
        assert_eq!(answer.status(), 400, "{query}");
        let answer: Value = answer.json().await.unwrap();
        let error = answer["error"].as_str().unwrap();
        assert!(error.ends_with(text), "{query}: {error}");
    }
    server.stop();
}

/// All public evals of Prometheus 3.14 pass, the texts of errors and annotations among them.
fn judge(report: &Value) {
    const EVALS: usize = 1330;
    let results = report["results"].as_array().unwrap();
    let others = results.iter().filter(|result| result["status"] != "passed");
    let others: Vec<String> =
        others.map(|result| format!("{}: {}", result["eval"], result["reason"])).collect();
    assert!(others.is_empty(), "{} evals did not pass: {others:#?}", others.len());
    assert_eq!(results.len(), EVALS);
}
