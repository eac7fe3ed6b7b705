//! Real Prometheus, node_exporter, SeaweedFS, Helm.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::beside;
use super::process::{Process, lasting_port};

/// Where the real programs are.
pub struct Peers(PathBuf);

impl Peers {
    /// As `LATEWOOD_PEERS` says.
    pub fn find() -> Option<Self> {
        beside("LATEWOOD_PEERS").map(Self)
    }

    /// One of the real programs.
    pub fn program(&self, name: &str) -> Command {
        Command::new(self.0.join("root/usr/bin").join(name))
    }

    /// Helm.
    pub fn helm(&self) -> Command {
        Command::new(self.0.join("helm/helm/helm"))
    }

    /// A checker of manifests against the schemas of Kubernetes' releases.
    pub fn kubernetes_validate(&self) -> Command {
        Command::new(self.0.join("venv/bin/kubernetes-validate"))
    }

    /// A checker of files against schemas, that of compose files among them.
    pub fn check_jsonschema(&self) -> Command {
        Command::new(self.0.join("venv/bin/check-jsonschema"))
    }

    /// A Python with duckdb and boto3.
    pub fn python(&self) -> Command {
        Command::new(self.0.join("venv/bin/python"))
    }
}

/// A port that was free a moment ago, for programs that cannot choose one themselves.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A running node_exporter.
pub struct NodeExporter {
    _process: Process,
    /// `host:port`
    pub address: String,
}

impl NodeExporter {
    /// Starts it.
    pub async fn start(peers: &Peers, folder: &Path) -> Self {
        let address = format!("127.0.0.1:{}", free_port());
        let mut command = peers.program("prometheus-node-exporter");
        command.arg(format!("--web.listen-address={address}")).arg("--no-collector.systemd");
        let mut process = Process::start("node-exporter", &mut command, folder);
        process.wait_for(&format!("http://{address}/metrics")).await;
        Self { _process: process, address }
    }
}

/// A running Prometheus.
pub struct Prometheus {
    /// Its process.
    pub process: Process,
    /// `http://host:port`
    pub url: String,
}

impl Prometheus {
    /// Starts it with a configuration in which `SELF` stands for its own `host:port`.
    pub async fn start(peers: &Peers, folder: &Path, config: &str) -> Self {
        Self::start_with(peers, folder, config, "exemplar-storage,metadata-wal-records,native-histograms")
            .await
    }

    /// The same with other features.
    pub async fn start_with(peers: &Peers, folder: &Path, config: &str, features: &str) -> Self {
        let address = format!("127.0.0.1:{}", free_port());
        let file = folder.join("prometheus.yml");
        std::fs::write(&file, config.replace("SELF", &address)).unwrap();
        let mut command = peers.program("prometheus");
        command
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.tsdb.path={}", Self::data_in(folder).display()))
            .arg(format!("--web.listen-address={address}"))
            .arg("--storage.tsdb.retention.time=100y")
            .arg("--web.enable-remote-write-receiver")
            .arg("--web.enable-admin-api")
            .arg(format!("--enable-feature={features}"));
        let mut process = Process::start("prometheus", &mut command, folder);
        let url = format!("http://{address}");
        process.wait_for(&format!("{url}/-/ready")).await;
        Self { process, url }
    }

    /// Where it keeps its data when it was started in a folder.
    pub fn data_in(folder: &Path) -> PathBuf {
        folder.join("prometheus")
    }

    /// Writes all it has, the newest samples included, as blocks into a folder below its data.
    pub async fn snapshot(&self, folder: &Path) -> PathBuf {
        let answer = self.admin("snapshot").await;
        let name = answer["data"]["name"].as_str().unwrap();
        Self::data_in(folder).join("snapshots").join(name)
    }

    /// Asks for something of its API for administrators.
    pub async fn admin(&self, what: &str) -> serde_json::Value {
        let url = format!("{}/api/v1/admin/tsdb/{what}", self.url);
        let answer = reqwest::Client::new().post(url).send().await.unwrap();
        assert!(answer.status().is_success(), "{what}: {}", answer.status());
        let text = answer.text().await.unwrap();
        if text.is_empty() { serde_json::Value::Null } else { serde_json::from_str(&text).unwrap() }
    }
}

/// A running SeaweedFS with a bucket named `latewood`.
pub struct SeaweedFs {
    /// Its process.
    pub process: Process,
    /// `http://host:port`
    pub endpoint: String,
}

impl SeaweedFs {
    /// The environment of a client.
    pub const CREDENTIALS: [(&str, &str); 2] =
        [("AWS_ACCESS_KEY_ID", "latewood"), ("AWS_SECRET_ACCESS_KEY", "latewood-secret")];

    const IDENTITIES: &str = r#"{"identities":[{"name":"admin",
        "credentials":[{"accessKey":"latewood","secretKey":"latewood-secret"}],
        "actions":["Admin","Read","Write","List","Tagging"]}]}"#;

    const MAKE_BUCKET: &str = "
import sys, time, boto3
s3 = boto3.client('s3', endpoint_url=sys.argv[1], aws_access_key_id='latewood',
                  aws_secret_access_key='latewood-secret', region_name='us-east-1')
for attempt in range(60):
    try:
        s3.create_bucket(Bucket='latewood')
        break
    except Exception:
        if attempt == 59:
            raise
        time.sleep(0.5)
";

    /// Starts it and makes the bucket.
    pub async fn start(peers: &Peers, folder: &Path) -> Self {
        let identities = folder.join("s3.json");
        std::fs::write(&identities, Self::IDENTITIES).unwrap();
        let data = folder.join("weed");
        std::fs::create_dir_all(&data).unwrap();
        let s3 = lasting_port();
        let mut command = Command::new(peers.0.join("venv/bin/weed"));
        command
            .arg("server")
            .arg(format!("-dir={}", data.display()))
            .args(["-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-filer", "-s3"])
            .args([
                "-volume.max=40",
                "-master.volumeSizeLimitMB=128",
                "-s3.port.iceberg=0",
                "-s3.port.lance=0",
            ])
            .arg(format!("-s3.config={}", identities.display()))
            .arg(format!("-s3.port={s3}"));
        for port in ["master.port", "volume.port", "filer.port"] {
            command.arg(format!("-{port}={}", grpc_twin_free_port()));
        }
        let mut process = Process::start("seaweedfs", &mut command, folder);
        let endpoint = format!("http://127.0.0.1:{s3}");
        process.wait_for(&format!("{endpoint}/status")).await;
        let made = peers.python().args(["-c", Self::MAKE_BUCKET, &endpoint]).status().unwrap();
        assert!(made.success(), "cannot make the bucket");
        Self { process, endpoint }
    }
}

/// SeaweedFS serves gRPC at each port plus 10,000: both must be free, and below those that the kernel gives to connections.
fn grpc_twin_free_port() -> u16 {
    let ports = std::iter::repeat_with(|| 10_000 + lasting_port() % 12_000).take(1000);
    let is_free = |port: u16| TcpListener::bind(("127.0.0.1", port)).is_ok();
    ports.into_iter().find(|port| is_free(*port) && is_free(port + 10_000)).unwrap()
}
