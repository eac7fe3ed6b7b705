//! What the chart renders, run: the roles find each other by the names of its services.

use std::collections::BTreeSet;
use std::path::Path;

use latewood_model::Sample;
use latewood_testkit::DnsServer;
use serde_json::{Value, json};

use super::chart::{Chart, DISTRIBUTED};
use super::manifests::{list, selects, text};
use super::pod::{Planned, Pod, Site};
use crate::harness::{Answer, write};

const AT_MS: i64 = 1_700_000_000_000;

async fn write_to(pod: &Pod<'_>, from: &str) {
    let labels = vec![("__name__", "up".to_owned()), ("from", from.to_owned())];
    let answer = write(&pod.process.url, &[(labels, vec![Sample { timestamp: AT_MS, value: 1.0 }])]).await;
    assert_eq!(answer.unwrap(), (204, String::new()));
}

/// How many series there are.
async fn count(pod: &Pod<'_>) -> Result<Option<f64>, String> {
    let answer = Answer::instant(&pod.process.url, "count(up)", AT_MS as f64 / 1000.0).await?;
    Ok(answer.0.values().next().and_then(|points| points.values().next().copied()))
}

/// What a page of the cluster says, as JSON.
async fn page(pod: &Pod<'_>, path: &str) -> Value {
    let asked = reqwest::Client::new().get(format!("{}{path}", pod.process.url));
    let answer = asked.header("Accept", "application/json").send().await.unwrap();
    assert_eq!(answer.status(), 200, "{path}");
    serde_json::from_str(&answer.text().await.unwrap()).unwrap()
}

/// The texts of a field of each element of a list.
fn texts<'a>(rows: &'a Value, field: &str) -> BTreeSet<&'a str> {
    list(rows).into_iter().map(|row| text(&row[field])).collect()
}

/// What the cluster's DNS would say: an SRV record of each named port of a headless service for each of its pods.
fn publish(dns: &DnsServer, site: &Site, pods: &[&Planned]) {
    for service in site.manifests.of_kind("Service").filter(|service| service["spec"]["clusterIP"] == "None")
    {
        let behind = pods.iter().filter(|pod| selects(&service["spec"]["selector"], pod.workload));
        let behind: Vec<&&Planned> = behind.collect();
        for port in list(&service["spec"]["ports"]) {
            let [port_name, name] = [&port["name"], &service["metadata"]["name"]].map(text);
            let namespace = text(&service["metadata"]["namespace"]);
            let full = format!("_{port_name}._tcp.{name}.{namespace}.svc.cluster.local.");
            let targets = behind.iter().map(|pod| ("localhost", pod.port(&port["targetPort"])));
            dns.set_services(&full, &targets.collect::<Vec<_>>()).unwrap();
        }
    }
}

// The DNS server must run while a start is waited for.
#[tokio::test(flavor = "multi_thread")]
async fn the_distributed_roles_find_each_other_and_answer() {
    let Some(chart) = Chart::find() else { return };
    // The examples set whatever can be set.
    let [all, zones] = ["distributed-values.yaml", "zones-values.yaml"].map(Chart::example);
    let manifests = chart.render(&[&all, &zones, "--set=ingester.replicas=3"]);
    let folder = tempfile::tempdir().unwrap();
    let (dns, bucket) = (DnsServer::start().await.unwrap(), folder.path().join("bucket"));
    std::fs::create_dir(&bucket).unwrap();
    let site = Site { manifests: &manifests, bucket: &bucket, dns: dns.addr() };
    let planned = |kind: &str, name: &str, number: usize| {
        Planned::one(manifests.get(kind, &format!("metrics-latewood-{name}")), number)
    };
    let nodes = ["a", "b", "c"].map(|zone| planned("StatefulSet", &format!("ingester-{zone}"), 0));
    let gateway = planned("StatefulSet", "store-gateway", 0);
    let [compactor, querier, late_querier] = [("compactor", 0), ("querier", 0), ("querier", 1)]
        .map(|(name, number)| planned("Deployment", name, number));
    publish(&dns, &site, &nodes.iter().chain([&gateway]).collect::<Vec<_>>());
    let mut ingesters = Pod::start_all(&site, &nodes, folder.path());
    let mut others = Pod::start_all(&site, [&gateway, &compactor, &querier], folder.path());
    for pod in ingesters.iter_mut().chain(&mut others) {
        pod.assert_probes_pass().await;
    }
    are_one_cluster_over_zones(&ingesters[0], &nodes).await;

    let querier = &others[2];
    write_to(&ingesters[0], "a").await;
    write_to(&ingesters[1], "b").await;
    assert_eq!(count(querier).await, Ok(Some(2.0)), "from memory");
    ingesters[0].process.flush().await;
    assert_eq!(count(querier).await, Ok(Some(2.0)), "from a block and from memory");

    // Who leads shards and has no DNS record is missed.
    publish(&dns, &site, &[&nodes[0], &gateway]);
    is_incomplete(&site, &late_querier, folder.path()).await;

    // One is lost without a word.
    publish(&dns, &site, &nodes.iter().chain([&gateway]).collect::<Vec<_>>());
    ingesters.remove(1).process.kill();
    write_to(&ingesters[0], "c").await;
    assert_eq!(count(querier).await, Ok(Some(3.0)), "of what two have");
    for pod in others.into_iter().chain(ingesters) {
        pod.process.stop();
    }
}

/// A querier that starts now lacks shards.
async fn is_incomplete(site: &Site<'_>, querier: &Planned<'_>, folder: &Path) {
    let pod = Pod::start(site, querier, &folder.join(querier.name()));
    let error = count(&pod).await.unwrap_err();
    assert!(error.contains("shard"), "{error}");
    pod.process.stop();
}

async fn are_one_cluster_over_zones(pod: &Pod<'_>, nodes: &[Planned<'_>]) {
    let cluster = page(pod, "/cluster").await;
    assert_eq!(texts(&cluster["members"], "zone"), ["a", "b", "c"].into());
    let addresses: BTreeSet<String> = nodes.iter().map(|node| node.addr(&json!("grpc"))).collect();
    assert_eq!(texts(&cluster["members"], "address"), addresses.iter().map(String::as_str).collect());
    let ring = page(pod, "/ingester/ring").await;
    for shard in list(&ring["shards"]) {
        let zones: BTreeSet<&str> = list(&shard["zones"]).into_iter().map(text).collect();
        assert_eq!(zones, ["a", "b", "c"].into(), "{shard}");
    }
    assert!(!list(&ring["shards"]).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn each_component_starts_alone_and_the_single_process_answers() {
    let Some(chart) = Chart::find() else { return };
    let folder = tempfile::tempdir().unwrap();
    let (dns, bucket) = (DnsServer::start().await.unwrap(), folder.path().join("bucket"));
    std::fs::create_dir(&bucket).unwrap();
    let manifests = chart.render(&[]);
    let site = Site { manifests: &manifests, bucket: &bucket, dns: dns.addr() };
    let planned = Planned::one(manifests.get("StatefulSet", "metrics-latewood"), 0);
    let mut single = Pod::start(&site, &planned, &folder.path().join("single"));
    single.assert_probes_pass().await;
    write_to(&single, "a").await;
    assert_eq!(count(&single).await, Ok(Some(1.0)));
    single.process.flush().await;
    assert_eq!(count(&single).await, Ok(Some(1.0)));
    let blocks = folder.path().join("single/data/bucket/anonymous/raw");
    assert_eq!(blocks.read_dir().unwrap().count(), 1, "blocks are on the volume");
    single.process.stop();

    // The chart's own defaults, without the examples' settings.
    let manifests = chart.render(&DISTRIBUTED);
    let site = Site { manifests: &manifests, ..site };
    for workload in manifests.workloads() {
        // Those of a cluster start together.
        let planned = Planned::all(workload);
        publish(&dns, &site, &planned.iter().collect::<Vec<_>>());
        for mut pod in Pod::start_all(&site, &planned, folder.path()) {
            pod.assert_probes_pass().await;
            pod.process.stop();
        }
    }
}
