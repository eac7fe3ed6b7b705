//! What the chart renders, run: the roles find each other by the names of its services.

use latewood_model::Sample;
use latewood_testkit::DnsServer;

use super::chart::{Chart, DISTRIBUTED};
use super::manifests::{list, selects, text};
use super::pod::{Pod, Site};
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

/// What the cluster's DNS would say: an SRV record of each named port of a headless service for each of its pods.
fn publish(dns: &DnsServer, site: &Site, pods: &[&Pod]) {
    for service in site.manifests.of_kind("Service").filter(|service| service["spec"]["clusterIP"] == "None")
    {
        let behind = pods.iter().filter(|pod| selects(&service["spec"]["selector"], pod.workload));
        let behind: Vec<&&Pod> = behind.collect();
        for port in list(&service["spec"]["ports"]) {
            let [port_name, name] = [&port["name"], &service["metadata"]["name"]].map(text);
            let namespace = text(&service["metadata"]["namespace"]);
            let full = format!("_{port_name}._tcp.{name}.{namespace}.svc.cluster.local.");
            let target =
                |pod: &&Pod| pod.addr(&port["targetPort"]).rsplit_once(':').unwrap().1.parse().unwrap();
            let targets: Vec<(&str, u16)> = behind.iter().map(|pod| ("localhost", target(pod))).collect();
            dns.set_services(&full, &targets).unwrap();
        }
    }
}

// The DNS server must run while a start is waited for.
#[tokio::test(flavor = "multi_thread")]
async fn the_distributed_roles_find_each_other_and_answer() {
    let Some(chart) = Chart::find() else { return };
    // The example sets whatever can be set.
    let example = Chart::example("distributed-values.yaml");
    let manifests = chart.render(&[&example, "--set=ingester.replicas=2,querier.replicas=1"]);
    let folder = tempfile::tempdir().unwrap();
    let (dns, bucket) = (DnsServer::start().await.unwrap(), folder.path().join("bucket"));
    std::fs::create_dir(&bucket).unwrap();
    let site = Site { manifests: &manifests, bucket: &bucket, dns: dns.addr() };
    let start = |kind: &str, name: &str, number: usize| {
        let workload = manifests.get(kind, &format!("metrics-latewood-{name}"));
        Pod::start(&site, workload, &folder.path().join(format!("{name}-{number}")))
    };
    let ingesters = [start("StatefulSet", "ingester", 0), start("StatefulSet", "ingester", 1)];
    let gateway = start("StatefulSet", "store-gateway", 0);
    let compactor = start("Deployment", "compactor", 0);
    let stores = [&ingesters[0], &ingesters[1], &gateway];
    publish(&dns, &site, &stores);
    let querier = start("Deployment", "querier", 0);
    for pod in [&querier, &compactor].into_iter().chain(stores) {
        pod.assert_probes_pass().await;
    }

    write_to(&ingesters[0], "a").await;
    write_to(&ingesters[1], "b").await;
    assert_eq!(count(&querier).await, Ok(Some(2.0)), "from memory");
    ingesters[0].process.flush().await;
    assert_eq!(count(&querier).await, Ok(Some(2.0)), "from a block and from memory");

    // An ingester that DNS does not know yet, or not any more, is missed: `min_ingesters` is how many there are.
    publish(&dns, &site, &[&ingesters[0], &gateway]);
    let querier_before_one_is_back = start("Deployment", "querier", 1);
    let error = count(&querier_before_one_is_back).await.unwrap_err();
    assert!(error.contains("ingesters: 1 of at least 2 are known"), "{error}");
    for pod in [querier, querier_before_one_is_back, compactor, gateway].into_iter().chain(ingesters) {
        pod.process.stop();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_component_starts_alone_and_the_single_process_answers() {
    let Some(chart) = Chart::find() else { return };
    let folder = tempfile::tempdir().unwrap();
    let (dns, bucket) = (DnsServer::start().await.unwrap(), folder.path().join("bucket"));
    std::fs::create_dir(&bucket).unwrap();
    let manifests = chart.render(&[]);
    let site = Site { manifests: &manifests, bucket: &bucket, dns: dns.addr() };
    let workload = manifests.get("StatefulSet", "metrics-latewood");
    let single = Pod::start(&site, workload, &folder.path().join("single"));
    single.assert_probes_pass().await;
    write_to(&single, "a").await;
    assert_eq!(count(&single).await, Ok(Some(1.0)));
    single.process.flush().await;
    assert_eq!(count(&single).await, Ok(Some(1.0)));
    let blocks = folder.path().join("single/data/bucket/anonymous/raw");
    assert_eq!(blocks.read_dir().unwrap().count(), 1, "blocks are on the volume");
    single.process.stop();

    // The chart's own defaults, without the example's settings.
    let manifests = chart.render(&DISTRIBUTED);
    let site = Site { manifests: &manifests, ..site };
    for workload in manifests.workloads() {
        let folder = folder.path().join(text(&workload["metadata"]["name"]));
        let pod = Pod::start(&site, workload, &folder);
        pod.assert_probes_pass().await;
        pod.process.stop();
    }
}
