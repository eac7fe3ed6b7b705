//! Each role in a process of its own, on one bucket: the same answers as from one process.

use std::fs;
use std::path::Path;

use latewood_model::Sample;
use serde_json::Value;

use crate::harness::{Answer, Latewood, write};

const START_MS: i64 = 1_700_000_000_000;
const SCRAPES: i64 = 100;
const END: f64 = ((START_MS + (SCRAPES - 1) * 15_000) / 1000) as f64;

/// 100 scrapes, 15 s apart, of counters on 10 instances.
async fn write_counters(ingester: &Latewood) {
    let series = (0..10).map(|instance| {
        let labels =
            vec![("__name__", "requests_total".to_owned()), ("instance", format!("host-{instance}"))];
        let sample =
            |k: i64| Sample { timestamp: START_MS + k * 15_000, value: (k * (instance + 1)) as f64 * 0.1 };
        (labels, (0..SCRAPES).map(sample).collect())
    });
    let answer = write(&ingester.url, &series.collect::<Vec<_>>()).await.unwrap();
    assert_eq!(answer, (204, String::new()));
}

async fn rates(querier: &Latewood) -> Answer {
    let expression = "sum by (instance) (rate(requests_total[2m]))";
    Answer::range(&querier.url, expression, END - 1200.0, END, 60.0).await.unwrap()
}

/// The `data` of an answer.
async fn data(querier: &Latewood, path: &str) -> Value {
    let url = format!("{}/api/v1/{path}", querier.url);
    let body: Value = reqwest::get(url).await.unwrap().json().await.unwrap();
    assert_eq!(body["status"], "success", "{path}: {body}");
    body["data"].clone()
}

fn folder_with_bucket(folder: &Path) -> String {
    let bucket = folder.join("bucket");
    fs::create_dir(&bucket).unwrap();
    format!("--bucket=file://{}", bucket.display())
}

/// Flushed generations are forgotten at once, so that views which are too old are met.
fn forgetful(folder: &Path) -> String {
    let file = folder.join("latewood.yaml");
    fs::write(&file, "ingester: {flush: {linger_seconds: 0}}\n").unwrap();
    format!("--config={}", file.display())
}

#[tokio::test]
async fn four_processes_answer_as_one() {
    let folder = tempfile::tempdir().unwrap();
    let (bucket, config) = (folder_with_bucket(folder.path()), forgetful(folder.path()));
    let start = |role: &str, flags: &[&str]| {
        let flags = [&[bucket.as_str(), config.as_str()], flags].concat();
        Latewood::start_role(role, &folder.path().join(role), &flags)
    };
    let (ingester, gateway) = (start("ingester", &[]), start("store-gateway", &[]));
    let compactor = start("compactor", &[]);
    let ingester_addr = format!("--ingester-addr={}", ingester.grpc_addr);
    let gateway_addr = format!("--store-gateway-addr={}", gateway.grpc_addr);
    let querier = start("querier", &[&ingester_addr, &gateway_addr]);

    for (process, path, says) in [
        (&ingester, "api/v1/query?query=up", "the role ingester does not answer queries: ask a querier"),
        (&querier, "graph", "404 page not found\n"),
    ] {
        let answer = reqwest::get(format!("{}/{path}", process.url)).await.unwrap();
        assert_eq!(answer.status(), 404);
        assert!(answer.text().await.unwrap().contains(says), "{path}");
    }
    let posted = reqwest::Client::new().post(format!("{}/metrics", querier.url)).send().await.unwrap();
    assert_eq!(
        (posted.status().as_u16(), posted.text().await.unwrap().as_str()),
        (405, "Method Not Allowed\n")
    );
    write_counters(&ingester).await;
    let from_memory = rates(&querier).await;
    assert_eq!((from_memory.0.len(), from_memory.len()), (10, 10 * 21));
    assert_eq!(data(&querier, "status/tsdb").await["headStats"]["numSeries"], 10);

    ingester.flush().await;
    assert_eq!(rates(&querier).await, from_memory, "after a flush, from a block");
    assert_eq!(data(&querier, "status/tsdb").await["headStats"]["numSeries"], 0);
    let instances = data(&querier, "label/instance/values").await;
    assert_eq!(instances.as_array().map(Vec::len), Some(10));

    ingester.stop();
    let ingester = start("ingester", &[]);
    let ingester_addr = format!("--ingester-addr={}", ingester.grpc_addr);
    querier.stop();
    let querier = start("querier", &[&ingester_addr, &gateway_addr]);
    assert_eq!(rates(&querier).await, from_memory, "after restarts, from a block");
    for process in [querier, compactor, gateway, ingester] {
        process.stop();
    }
}

/// A process with all roles may be listed as an ingester and as a store-gateway: it answers for each part once.
#[tokio::test]
async fn a_querier_beside_a_process_with_all_roles() {
    let folder = tempfile::tempdir().unwrap();
    let bucket = folder_with_bucket(folder.path());
    let all = Latewood::start(&folder.path().join("all"), &[&bucket]);
    let flags =
        [format!("--ingester-addr={}", all.grpc_addr), format!("--store-gateway-addr={}", all.grpc_addr)];
    let querier =
        Latewood::start_role("querier", &folder.path().join("querier"), &[&bucket, &flags[0], &flags[1]]);
    write_counters(&all).await;
    all.flush().await;
    write(
        &all.url,
        &[(
            vec![("__name__", "requests_total".to_owned())],
            vec![Sample { timestamp: START_MS, value: 1.0 }],
        )],
    )
    .await
    .unwrap();
    let count = |server: &Latewood| {
        let url = server.url.clone();
        async move { Answer::instant(&url, "count(requests_total)", START_MS as f64 / 1000.0).await.unwrap() }
    };
    let eleven = count(&all).await;
    assert_eq!(eleven.0.values().next().and_then(|points| points.values().next()), Some(&11.0));
    assert_eq!(count(&querier).await, eleven);
    querier.stop();
    all.stop();
}

#[tokio::test]
async fn a_querier_without_stores_or_with_a_wrong_address_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    for (flags, says) in [
        (&[][..], "--ingester-addr"),
        (&["--ingester-addr=127.0.0.1:1"], "--store-gateway-addr"),
        (&["--ingester-addr=http://127.0.0.1:1"], "must be host:port"),
    ] {
        let log = Latewood::try_start_role("querier", &data, flags, &[]).err().expect(says);
        assert!(log.contains(says), "{flags:?}: {log}");
    }
}
