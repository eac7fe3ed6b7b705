//! A pod on this machine: the binary with the arguments, the configuration and the volumes that its template has.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use super::manifests::{Manifests, container, list, port, text};
use crate::harness::Latewood;

/// What stands in for the cluster.
pub struct Site<'a> {
    pub manifests: &'a Manifests,
    /// In the place of the bucket.
    pub bucket: &'a Path,
    /// In the place of the cluster's DNS.
    pub dns: SocketAddr,
}

/// A running pod.
pub struct Pod<'a> {
    pub workload: &'a Value,
    pub process: Latewood,
}

impl<'a> Pod<'a> {
    /// Starts the pod of a workload with its volumes in `folder`.
    pub fn start(site: &Site, workload: &'a Value, folder: &Path) -> Self {
        let container = container(workload);
        let volumes = Volumes::new(site, workload, folder);
        let args = list(&container["args"]).into_iter().map(|arg| volumes.path_in(text(arg)));
        let mut command = Command::new(env!("CARGO_BIN_EXE_latewood"));
        command.args(args);
        let process = Latewood::try_start_command(&folder.join("log"), &mut command);
        let name = text(&workload["metadata"]["name"]);
        Self { workload, process: process.unwrap_or_else(|log| panic!("{name} did not start:\n{log}")) }
    }

    /// The address where a named port of the container is served.
    pub fn addr(&self, port: &Value) -> &str {
        match text(port) {
            "http" => self.process.url.trim_start_matches("http://"),
            "grpc" => &self.process.grpc_addr,
            other => panic!("no port is named {other}"),
        }
    }

    /// Asks as the kubelet does.
    pub async fn assert_probes_pass(&self) {
        for probe in ["startupProbe", "livenessProbe", "readinessProbe"] {
            let get = &container(self.workload)[probe]["httpGet"];
            let url = format!("http://{}{}", self.addr(&get["port"]), text(&get["path"]));
            assert_eq!(reqwest::get(&url).await.unwrap().status(), 200, "{probe}: {url}");
        }
    }
}

/// Folders in the places of a pod's mounts.
struct Volumes(Vec<(String, PathBuf)>);

impl Volumes {
    fn new(site: &Site, workload: &Value, folder: &Path) -> Self {
        let mounts = list(&container(workload)["volumeMounts"]).into_iter().map(|mount| {
            let at = folder.join(text(&mount["name"]));
            fs::create_dir_all(&at).unwrap();
            (text(&mount["mountPath"]).to_owned(), at)
        });
        let volumes = Self(mounts.collect());
        for volume in list(&workload["spec"]["template"]["spec"]["volumes"]) {
            let map = &volume["configMap"]["name"];
            let found = site.manifests.of_kind("ConfigMap").find(|one| one["metadata"]["name"] == *map);
            for (name, content) in found.iter().flat_map(|map| map["data"].as_object().unwrap()) {
                let config = volumes.config(site, container(workload), text(content));
                fs::write(folder.join(text(&volume["name"])).join(name), config).unwrap();
            }
        }
        volumes
    }

    /// The configuration, with what needs a cluster led elsewhere.
    fn config(&self, site: &Site, container: &Value, content: &str) -> String {
        let mut config: Value = serde_saphyr::from_str(content).unwrap();
        // The root file system is read-only: what is written to must be mounted so that it can be.
        let is_writable =
            |mount: &&Value| mount["mountPath"] == config["data_dir"] && mount.get("readOnly").is_none();
        assert_eq!(list(&container["volumeMounts"]).into_iter().filter(is_writable).count(), 1);
        config["data_dir"] = json!(self.path_in(text(&config["data_dir"])));
        for name in ["http", "grpc"] {
            let addr = &mut config["service"][format!("{name}_addr")];
            let declared = port(container, &json!(name)).unwrap();
            assert_eq!(*addr, format!(":{declared}"), "the declared port is the one that is listened on");
            *addr = json!("127.0.0.1:0");
        }
        if config.get("bucket").is_some() {
            config["bucket"] = json!({"url": format!("file://{}", site.bucket.display())});
        }
        config["querier"]["store_sd"] = json!({"dns_servers": [site.dns.to_string()]});
        serde_saphyr::to_string(&config).unwrap()
    }

    /// A path of the container on this machine, in whatever text it stands.
    fn path_in(&self, text: &str) -> String {
        let mount = self.0.iter().find(|(mount, _)| text.contains(&**mount));
        mount.map_or(text.to_owned(), |(mount, at)| text.replace(&**mount, &at.display().to_string()))
    }
}
