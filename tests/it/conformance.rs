//! The suites that judge any Prometheus-compatible server over HTTP.

use std::path::{Path, PathBuf};
use std::process::Command;

use latewood_querier::Features;
use serde_json::Value;

use crate::harness::{Deployment, Latewood, Layout, Peers, beside};

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

/// Through each that answers queries, as `remote_write`.
fn http_api(server: &Deployment, suite: &Path) {
    let is_core = |result: &Value| result.to_string().contains("core");
    for url in server.query_urls() {
        let failed = failures(suite, "api_http.py", &[&url, "--write-url", &server.write_url()], is_core);
        assert!(failed.is_empty(), "{url}: {failed:#?}");
    }
}

fn remote_write(server: &Deployment, suite: &Path) {
    for url in server.query_urls() {
        let arguments = [&*server.write_url(), "--query-url", &url];
        let failed = failures(suite, "remote_write_http.py", &arguments, |_| true);
        assert!(failed.is_empty(), "{url}: {failed:#?}");
    }
}

/// The scripts are dealt out to those who answer queries, who run them side by side.
fn promql(server: &Deployment, suite: &Path) {
    let scripts = std::fs::read_dir(suite.join("promqltest")).unwrap();
    let mut scripts: Vec<PathBuf> = scripts.map(|entry| entry.unwrap().path()).collect();
    scripts.sort();
    let (write, queriers) = (format!("{}/api/v1/write", server.write_url()), server.query_urls());
    let folder = tempfile::tempdir().unwrap();
    let run = |(number, url): (usize, &String)| {
        let report = folder.path().join(format!("report-{number}.json"));
        let mut command = Command::new("python3");
        command
            .arg(suite.join("promqltest_http.py"))
            .args(["--quiet", "--start-timestamps", "--messages", "strict"])
            .args(["--tenant-header", "X-Scope-OrgID"])
            .arg(format!("--tenant-prefix=conformance-{number}"))
            .arg("--json")
            .arg(&report)
            .args([&write, url])
            .args(scripts.iter().skip(number).step_by(queriers.len()));
        (command.spawn().unwrap(), report)
    };
    let running: Vec<_> = queriers.iter().enumerate().map(run).collect();
    let reports = running.into_iter().map(|(mut suite, report)| {
        suite.wait().unwrap();
        serde_json::from_slice(&std::fs::read(report).unwrap()).unwrap()
    });
    judge(&reports.collect::<Vec<_>>());
}

/// All suites on a server.
fn all_suites(mut server: Deployment, suite: &Path) {
    http_api(&server, suite);
    remote_write(&server, suite);
    promql(&server, suite);
    server.stop_all();
}

/// As upstream runs its own scripts: with all features, and types are told by names.
fn features() -> String {
    let names = Features::NAMES.into_iter().filter(|name| *name != "type-and-unit-labels");
    format!("--enable-feature={}", names.collect::<Vec<_>>().join(","))
}

#[test]
fn of_one_process() {
    let Some(suite) = beside("LATEWOOD_CONFORMANCE") else { return };
    let folder = tempfile::tempdir().unwrap();
    all_suites(Deployment::on_a_directory(Layout::OneProcess, folder.path(), &[&features()]), &suite);
}

#[tokio::test]
async fn of_separate_roles_on_s3() {
    let (Some(peers), Some(suite)) = (Peers::find(), beside("LATEWOOD_CONFORMANCE")) else { return };
    let folder = tempfile::tempdir().unwrap();
    let server = Deployment::on_s3(Layout::Roles, &peers, folder.path(), &[&features()]).await;
    all_suites(server, &suite);
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
fn judge(reports: &[Value]) {
    const EVALS: usize = 1330;
    let results: Vec<&Value> =
        reports.iter().flat_map(|report| report["results"].as_array().unwrap()).collect();
    let others = results.iter().filter(|result| result["status"] != "passed");
    let others: Vec<String> =
        others.map(|result| format!("{}: {}", result["eval"], result["reason"])).collect();
    assert!(others.is_empty(), "{} evals did not pass: {others:#?}", others.len());
    assert_eq!(results.len(), EVALS);
}
