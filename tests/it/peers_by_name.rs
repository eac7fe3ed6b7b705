//! A querier that finds ingesters and store-gateways by DNS, beside real processes that come and go.

use latewood_model::Sample;
use latewood_testkit::DnsServer;

use crate::harness::{Latewood, write};

const AT_MS: i64 = 1_700_000_000_000;
const INGESTERS: &str = "_grpc._tcp.ingesters.test.";
const GATEWAYS: &str = "gateways.test.";

/// Processes on one bucket and the DNS server that knows them.
struct Cluster {
    folder: tempfile::TempDir,
    dns: DnsServer,
    bucket: String,
}

impl Cluster {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let bucket = format!("--bucket=file://{}", folder.path().join("bucket").display());
        std::fs::create_dir(folder.path().join("bucket")).unwrap();
        Self { folder, dns: DnsServer::start().await.unwrap(), bucket }
    }

    fn start(&self, role: &str, name: &str, flags: &[&str]) -> Latewood {
        Latewood::start_role(role, &self.data_of(name), &[&[&*self.bucket], flags].concat())
    }

    fn data_of(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    /// A querier that looks names up as seldom as it may, or each second.
    fn querier(&self, gateway_port: u16, interval_seconds: u64) -> Latewood {
        let file = self.folder.path().join("querier.yaml");
        let config = format!(
            "querier: {{store_sd: {{dns_servers: ['{}'], dns_interval_seconds: {interval_seconds}}}}}\n",
            self.dns.addr()
        );
        std::fs::write(&file, config).unwrap();
        let flags = [
            format!("--config={}", file.display()),
            format!("--ingester-addr=dnssrv+{INGESTERS}"),
            format!("--store-gateway-addr=dns+{GATEWAYS}:{gateway_port}"),
        ];
        self.start("querier", "querier", &flags.each_ref().map(String::as_str))
    }

    /// The ingesters' records from now on; waits until the querier's log says that their number is known.
    async fn ingesters_are(&self, processes: &[&Latewood]) {
        let targets: Vec<(&str, u16)> =
            processes.iter().map(|process| ("localhost", port(process))).collect();
        self.dns.set_services(INGESTERS, &targets).unwrap();
        self.querier_logged(&["peers have changed", INGESTERS, &format!("known={}", targets.len())]).await;
    }

    /// Waits for a line of the querier's log, and starts the log anew.
    async fn querier_logged(&self, parts: &[&str]) {
        let data = self.data_of("querier");
        Latewood::logged(&data, parts).await;
        std::fs::File::create(data.with_extension("log")).unwrap();
    }
}

fn port(process: &Latewood) -> u16 {
    process.grpc_addr.rsplit_once(':').unwrap().1.parse().unwrap()
}

async fn write_to(ingester: &Latewood, name: &str) {
    let labels = vec![("__name__", "up".to_owned()), ("from", name.to_owned())];
    let answer =
        write(&ingester.url, &[(labels, vec![Sample { timestamp: AT_MS, value: 1.0 }])]).await.unwrap();
    assert_eq!(answer.0, 204, "{}", answer.1);
}

/// The status and body of an answer to how many series there are.
async fn count(querier: &Latewood, parameters: &str) -> (u16, String) {
    let url = format!("{}/api/v1/query?query=count(up)&time={}{parameters}", querier.url, AT_MS / 1000);
    let answer = reqwest::get(url).await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

async fn assert_count(querier: &Latewood, series: usize) {
    let (status, body) = count(querier, "").await;
    assert!(status == 200 && body.contains(&format!(",\"{series}\"]")), "{series} series: {status} {body}");
    assert!(!body.contains("warnings"), "{body}");
}

async fn metric(process: &Latewood, name: &str) -> f64 {
    let text = reqwest::get(format!("{}/metrics", process.url)).await.unwrap().text().await.unwrap();
    let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{name} in {text}"));
    line.rsplit_once(' ').unwrap().1.parse().unwrap()
}

// The DNS server must run while a start is waited for.
#[tokio::test(flavor = "multi_thread")]
async fn ingesters_come_and_go_and_a_failure_keeps_them() {
    let cluster = Cluster::new().await;
    let (a, b) = (cluster.start("ingester", "a", &[]), cluster.start("ingester", "b", &[]));
    let gateway = cluster.start("store-gateway", "gateway", &[]);
    cluster.dns.set_addresses(GATEWAYS, &[[127, 0, 0, 1].into()]).unwrap();
    write_to(&a, "a").await;
    write_to(&b, "b").await;
    let querier = cluster.querier(port(&gateway), 1);

    let (status, body) = count(&querier, "").await;
    assert!(status == 503 && body.contains("ingesters: 0 of at least 1 are known"), "{status} {body}");
    let (status, body) = count(&querier, "&partial_response=true").await;
    assert!(status == 200 && body.contains("partial response: ingesters: 0 of"), "{status} {body}");

    cluster.ingesters_are(&[&a]).await;
    assert_count(&querier, 1).await;
    cluster.ingesters_are(&[&a, &b]).await;
    assert_count(&querier, 2).await;

    cluster.dns.set_failing(true);
    cluster.querier_logged(&["peers cannot be looked up", INGESTERS, "known=2"]).await;
    assert_count(&querier, 2).await;
    assert!(metric(&querier, "latewood_querier_dns_failures_total").await >= 1.0);
    assert!(metric(&querier, "latewood_querier_dns_lookups_total").await >= 4.0);
    let known = format!("latewood_querier_dns_provider_results{{addr=\"dnssrv+{INGESTERS}\"}}");
    assert_eq!(metric(&querier, &known).await, 2.0);

    // What b held is in a block, so that nothing is missing without it.
    b.flush().await;
    cluster.dns.set_failing(false);
    cluster.ingesters_are(&[&a]).await;
    b.stop();
    assert_count(&querier, 2).await;
    [querier, gateway, a].into_iter().for_each(Latewood::stop);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_fails_is_looked_up_at_once() {
    let cluster = Cluster::new().await;
    let (old, gateway) =
        (cluster.start("ingester", "a", &[]), cluster.start("store-gateway", "gateway", &[]));
    cluster.dns.set_addresses(GATEWAYS, &[[127, 0, 0, 1].into()]).unwrap();
    cluster.dns.set_services(INGESTERS, &[("localhost", port(&old))]).unwrap();
    write_to(&old, "a").await;
    let querier = cluster.querier(port(&gateway), 24 * 3600);
    assert_count(&querier, 1).await;

    // The same data at another address, as when a pod is moved.
    old.stop();
    let new = cluster.start("ingester", "a", &[]);
    cluster.dns.set_services(INGESTERS, &[("localhost", port(&new))]).unwrap();
    let (status, body) = count(&querier, "").await;
    assert_eq!(status, 503, "{body}");
    cluster.querier_logged(&["peers have changed", &port(&new).to_string()]).await;
    assert_count(&querier, 1).await;
    [querier, gateway, new].into_iter().for_each(Latewood::stop);
}

#[test]
fn an_address_that_is_none_is_refused_with_what_is_in_the_file_too() {
    let folder = tempfile::tempdir().unwrap();
    let says = "must be host:port, dns+name:port or dnssrv+_grpc._tcp.name";
    let start = |flags: &[&str]| {
        let flags = [flags, &["--ingester-addr=127.0.0.1:1", "--store-gateway-addr=127.0.0.1:1"]].concat();
        Latewood::try_start_role("querier", &folder.path().join("data"), &flags, &[]).err().unwrap()
    };
    let log = start(&["--ingester-addr=dnsrv+a:1"]);
    assert!(log.contains(says) && log.contains("dnsrv+a:1"), "{log}");
    let path = folder.path().join("latewood.yaml");
    for (text, says) in [
        ("querier: {store_gateway_addrs: ['dns+gateways']}\n", says),
        (
            "querier: {store_sd: {dns_interval_seconds: 0}}\n",
            "querier.store_sd.dns_interval_seconds must be at least 1",
        ),
        ("querier: {min_ingesters: 0}\n", "querier.min_ingesters must be at least 1"),
    ] {
        std::fs::write(&path, text).unwrap();
        let log = start(&[&format!("--config={}", path.display())]);
        assert!(log.contains(says), "{text}: {log}");
    }
}
