//! Series that are deleted over HTTP, by processes that are killed in between.

use latewood_model::Sample;
use serde_json::Value;

use crate::harness::{Answer, Deployment, Layout, write};

const START_MS: i64 = 1_700_000_000_000;
const STEP_MS: i64 = 15_000;
const STEPS: i64 = 240;

/// Samples of five instances, from a step to another.
async fn write_steps(deployment: &Deployment, from: i64, to: i64) {
    let series = (0..5).map(|instance| {
        let labels =
            vec![("__name__", "requests_total".to_owned()), ("instance", format!("host-{instance}"))];
        let sample =
            |k: i64| Sample { timestamp: START_MS + k * STEP_MS, value: (k * (instance + 1)) as f64 };
        (labels, (from..to).map(sample).collect())
    });
    let answer = write(&deployment.write_url(), &series.collect::<Vec<_>>()).await.unwrap();
    assert_eq!(answer, (204, String::new()));
}

fn seconds(step: i64) -> f64 {
    (START_MS + step * STEP_MS) as f64 / 1000.0
}

/// What all that answer queries answer, asked twice: from sources, and from what was kept of it.
async fn counts(deployment: &Deployment) -> Answer {
    let mut answers = Vec::new();
    for url in deployment.query_urls().iter().flat_map(|url| [url, url]) {
        let expression = "count_over_time(requests_total[15s])";
        answers.push(Answer::range(url, expression, seconds(0), seconds(STEPS), 15.0).await.unwrap());
    }
    let answer = answers.pop().unwrap();
    let sizes: Vec<usize> = answers.iter().map(Answer::len).collect();
    assert!(answers.iter().all(|other| *other == answer), "{sizes:?} {}", answer.len());
    answer
}

/// The answer without the samples of an instance from a step to another, both gone.
fn without(mut answer: Answer, instance: &str, from: i64, to: i64) -> Answer {
    let range = START_MS + from * STEP_MS..=START_MS + to * STEP_MS;
    for (labels, points) in &mut answer.0 {
        if labels["instance"] == instance {
            points.retain(|at, _| !range.contains(at));
        }
    }
    answer.0.retain(|_, points| !points.is_empty());
    answer
}

async fn post(url: &str, path: &str, form: &[(&str, String)]) -> (u16, String) {
    let answer = reqwest::Client::new().post(format!("{url}/{path}")).form(form).send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

async fn delete_tenant(url: &str, tenant: &str) -> (u16, String) {
    let request = reqwest::Client::new().post(format!("{url}/compactor/delete_tenant"));
    let answer = request.header("X-Scope-OrgID", tenant).send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

async fn delete(deployment: &Deployment, selector: &str, from: i64, to: i64) {
    let form = [
        ("match[]", selector.to_owned()),
        ("start", seconds(from).to_string()),
        ("end", seconds(to).to_string()),
    ];
    let done = post(&deployment.query_urls()[0], "api/v1/admin/tsdb/delete_series", &form).await;
    assert_eq!(done, (204, String::new()));
}

/// From heads and blocks, over restarts and a flush: what is deleted is gone at once for all queriers, and stays so.
async fn is_gone_for_good(mut deployment: Deployment) {
    write_steps(&deployment, 0, 100).await;
    deployment.flush().await;
    write_steps(&deployment, 100, 200).await;
    let all = counts(&deployment).await;
    delete(&deployment, "requests_total{instance=\"host-1\"}", 50, 150).await;
    delete(&deployment, "{instance=~\"host-[23]\",__name__!=\"x\"}", 90, 110).await;
    let mut left = without(all, "host-1", 50, 150);
    for instance in ["host-2", "host-3"] {
        left = without(left, instance, 90, 110);
    }
    assert!(counts(&deployment).await == left, "at once");
    deployment.kill_all();
    deployment.start_all();
    assert!(counts(&deployment).await == left, "after a kill");
    deployment.flush().await;
    assert!(counts(&deployment).await == left, "after the flush");
    // What is written now is visible, at times that were deleted, too.
    write_steps(&deployment, 140, 150).await;
    let again = counts(&deployment).await;
    assert_eq!(again.len(), left.len() + 10);
    deployment.kill_all();
    deployment.start_all();
    deployment.flush().await;
    assert!(counts(&deployment).await == again);
    let series = format!("{}/api/v1/series?match[]=requests_total", deployment.query_urls()[0]);
    delete(&deployment, "requests_total", 0, STEPS).await;
    assert_eq!(counts(&deployment).await.len(), 0);
    let listed: Value = reqwest::get(series).await.unwrap().json().await.unwrap();
    assert_eq!(listed["status"], "success");
}

#[tokio::test]
async fn in_one_process() {
    let folder = tempfile::tempdir().unwrap();
    let flags = ["--web.enable-admin-api"];
    is_gone_for_good(Deployment::on_a_directory(Layout::OneProcess, folder.path(), &flags)).await;
}

#[tokio::test]
async fn in_separate_roles() {
    let folder = tempfile::tempdir().unwrap();
    let flags = ["--enable-admin-api"];
    is_gone_for_good(Deployment::on_a_directory(Layout::Roles, folder.path(), &flags)).await;
}

#[tokio::test]
async fn tombstones_are_cleaned_tenants_deleted_and_both_are_in_the_audit_log() {
    let folder = tempfile::tempdir().unwrap();
    let deployment = Deployment::on_a_directory(Layout::OneProcess, folder.path(), &["--enable-admin-api"]);
    let url = deployment.write_url();
    write_steps(&deployment, 0, 10).await;
    deployment.flush().await;
    delete(&deployment, "requests_total{instance=\"host-1\"}", 0, 3).await;
    let cleaned = post(&url, "api/v1/admin/tsdb/clean_tombstones", &[]).await;
    assert_eq!(cleaned, (204, String::new()));
    let status =
        async || reqwest::get(format!("{url}/compactor/delete_tenant_status")).await.unwrap().text().await;
    let nobody = post(&url, "compactor/delete_tenant", &[]).await;
    assert!(nobody.0 == 400 && nobody.1.contains("names no tenant"), "{nobody:?}");
    assert_eq!(delete_tenant(&url, "nosuch").await, (404, "tenant nosuch has no catalog\n".to_owned()));
    assert!(!folder.path().join("bucket/nosuch").exists());
    assert_eq!(delete_tenant(&url, "anonymous").await, (200, String::new()));
    assert_eq!(status().await.unwrap(), "{\"tenant_id\":\"anonymous\",\"blocks_deleted\":false}\n");
    let refused = Answer::instant(&url, "requests_total", seconds(0)).await.unwrap_err();
    assert!(refused.contains("is being deleted"), "{refused}");
    let series = [(vec![("__name__", "up".to_owned())], vec![Sample { timestamp: START_MS, value: 1.0 }])];
    let (code, text) = write(&url, &series).await.unwrap();
    assert!(code == 422 && text.contains("is being deleted"), "{code} {text}");
    drop(deployment);
    let bucket = format!("--bucket=file://{}", folder.path().join("bucket").display());
    let tool = |args: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_latewood"));
        let output = command.arg("bucket").args(args).arg(&bucket).output().unwrap();
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let waiting = tool(&["status"]);
    assert!(waiting.contains("applied by compaction, without waiting"), "{waiting}");
    assert!(waiting.contains("the whole tenant, since"), "{waiting}");
    let tenant = ["--tenant=anonymous", "--marker=tenant-deletion-mark.json", "--remove"];
    let kept = tool(&[&["mark"], &tenant[..]].concat());
    assert!(kept.contains("is kept, with the") && kept.contains("catalog.refresh_seconds"), "{kept}");
    let audit = tool(&["audit", "--output=json"]);
    let actions: Vec<Value> = audit.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let actions: Vec<&str> = actions.iter().map(|line| line["action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["delete_series", "clean_tombstones", "delete_tenant", "keep_tenant"]);
    assert!(audit.contains("host-1"), "{audit}");
}

#[tokio::test]
async fn samples_that_would_go_at_once_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("latewood.yaml");
    let retention =
        "compactor:\n  retention:\n    resolution_raw_seconds: 864000\n  tenant_retention:\n    ever: {}\n";
    std::fs::write(&config, retention).unwrap();
    let flag = format!("--config={}", config.display());
    let deployment = Deployment::on_a_directory(Layout::OneProcess, folder.path(), &[&flag]);
    let now_ms = std::time::UNIX_EPOCH.elapsed().unwrap().as_millis() as i64;
    let old = [("old", now_ms - 10 * 86_400_000), ("young", now_ms - 8 * 86_400_000)];
    let series = old
        .map(|(name, at)| (vec![("__name__", name.to_owned())], vec![Sample { timestamp: at, value: 1.0 }]));
    let (status, text) = write(&deployment.write_url(), &series).await.unwrap();
    assert!(
        status == 400 && text.contains("too_old (1)") && text.contains("resolution_raw_seconds"),
        "{text}"
    );
    let url = &deployment.query_urls()[0];
    let stored = Answer::instant(url, "last_over_time({__name__=~\"old|young\"}[20d])", now_ms as f64 / 1e3);
    assert_eq!(stored.await.unwrap().0.len(), 1, "the good part is stored");
}

#[tokio::test]
async fn not_unless_it_is_enabled() {
    let folder = tempfile::tempdir().unwrap();
    let deployment = Deployment::on_a_directory(Layout::OneProcess, folder.path(), &[]);
    let form = [("match[]", "up".to_owned())];
    let refused = post(&deployment.query_urls()[0], "api/v1/admin/tsdb/delete_series", &form).await;
    assert_eq!((refused.0, refused.1.contains("admin APIs disabled")), (500, true));
    assert_eq!(post(&deployment.write_url(), "compactor/delete_tenant", &[]).await.0, 403);
}
