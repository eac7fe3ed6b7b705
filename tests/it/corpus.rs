//! Expressions that people run: each parses here, and is printed as Prometheus prints it.

use serde_json::Value;

use crate::harness::{Latewood, Peers, Prometheus, beside};

/// What `format_query` answers: the expression, or the error.
async fn formatted(url: &str, expression: &str) -> Result<String, String> {
    let request = reqwest::Client::new().post(format!("{url}/api/v1/format_query"));
    let answer: Value = request.form(&[("query", expression)]).send().await.unwrap().json().await.unwrap();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    if answer["status"] == "success" { Ok(text(&answer["data"])) } else { Err(text(&answer["error"])) }
}

#[tokio::test]
async fn expressions_are_printed_as_prometheus_prints_them() {
    let (Some(peers), Some(corpus)) = (Peers::find(), beside("LATEWOOD_CORPUS")) else { return };
    let folder = tempfile::tempdir().unwrap();
    let ours = Latewood::start(&folder.path().join("data"), &[]);
    let theirs = Prometheus::start(&peers, folder.path(), "global: {}\n").await;
    let text = std::fs::read_to_string(corpus.join("queries.txt")).unwrap();
    let (mut asked, mut differing) = (0, Vec::new());
    for expression in text.lines().filter(|line| !line.is_empty()) {
        let (here, there) =
            tokio::join!(formatted(&ours.url, expression), formatted(&theirs.url, expression));
        // What Prometheus does not take is not asked for.
        let Ok(there) = there else { continue };
        asked += 1;
        if here.as_ref() != Ok(&there) {
            differing.push(format!("{expression}\n    ours: {here:?}\n    theirs: {there}"));
        }
    }
    assert!(asked > 2_000, "the corpus has only {asked} expressions");
    assert!(differing.is_empty(), "{} of {asked} differ:\n{}", differing.len(), differing.join("\n"));
    ours.stop();
}
