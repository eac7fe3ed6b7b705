//! A start that something is in the way of.

use std::process::Command;
use std::time::Duration;

use crate::harness::Latewood;
use crate::harness::peers::free_port;
use crate::harness::process::Process;

/// A first start on a bucket that nobody serves: it needs numbers for its shards.
fn first_start(folder: &std::path::Path, http_addr: &str, config: &str) -> Command {
    let file = folder.join("latewood.yaml");
    std::fs::write(&file, config).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_latewood"));
    command
        .args([
            "all",
            "--grpc-addr=127.0.0.1:0",
            "--bucket=s3://latewood",
            "--s3-endpoint=http://127.0.0.1:1",
        ])
        .args(["--http-addr", http_addr])
        .arg("--data-dir")
        .arg(folder.join("data"))
        .arg("--config")
        .arg(file);
    for variable in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_WEB_IDENTITY_TOKEN_FILE"] {
        command.env_remove(variable);
    }
    command
}

#[tokio::test]
async fn a_first_start_without_its_bucket_answers_probes_and_ends_when_told_to() {
    let folder = tempfile::tempdir().unwrap();
    let address = format!("127.0.0.1:{}", free_port());
    let mut command = first_start(folder.path(), &address, "");
    command.env("AWS_ACCESS_KEY_ID", "a").env("AWS_SECRET_ACCESS_KEY", "b");
    let mut process = Process::start("latewood", &mut command, folder.path());
    process.wait_for(&format!("http://{address}/-/healthy")).await;
    for path in ["ready", "-/ready", "api/v1/query?query=up", "nowhere"] {
        let answer = reqwest::get(format!("http://{address}/{path}")).await.unwrap();
        assert_eq!(answer.status(), 503, "{path}");
    }
    let stopped = tokio::task::spawn_blocking(move || process.stop());
    tokio::time::timeout(Duration::from_secs(5), stopped).await.expect("the stop must not wait").unwrap();
    let log = std::fs::read_to_string(folder.path().join("latewood.log")).unwrap();
    assert!(!log.contains("starting without"), "{log}");
}

#[tokio::test]
async fn without_credentials_the_last_word_says_what_to_set_and_the_cause_once() {
    let folder = tempfile::tempdir().unwrap();
    let config = "catalog: {commit_timeout_ms: 1, retry_initial_ms: 1}\nbucket: {retries: 0}\n";
    let mut command = first_start(folder.path(), "127.0.0.1:0", config);
    let output = command.env("AWS_METADATA_ENDPOINT", "http://127.0.0.1:1").output().unwrap();
    assert!(!output.status.success());
    let log = String::from_utf8(output.stderr).unwrap();
    let last = log.lines().last().unwrap();
    assert!(last.contains("set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"), "{last}");
    for cause in ["bucket unavailable", "Connection refused", "shard numbers"] {
        assert_eq!(last.matches(cause).count(), 1, "{cause}: {last}");
    }
}

#[tokio::test]
async fn a_process_that_was_told_to_stop_may_serve_until_all_have_heard_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let (file, data) = (folder.path().join("latewood.yaml"), folder.path().join("data"));
    std::fs::write(&file, "shutdown_delay_seconds: 3\n").unwrap();
    let process = Latewood::start(&data, &["--config", file.to_str().unwrap()]);
    let status = async |path: &str| reqwest::get(format!("{}{path}", process.url)).await.unwrap().status();
    assert_eq!(status("/ready").await, 200);
    assert!(Command::new("kill").arg(process.process.pid().to_string()).status().unwrap().success());
    while status("/ready").await != 503 {}
    assert_eq!(status("/api/v1/query?query=up").await, 200);
    process.stop();
}
