//! A pod on this machine: the binary with the arguments, the configuration and the volumes that its template has.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use serde_json::{Value, json};

use super::manifests::{Manifests, container, list, port, text, text_if_any};
use crate::harness::Latewood;
use crate::harness::process::lasting_port;

/// What stands in for the cluster.
pub struct Site<'a> {
    pub manifests: &'a Manifests,
    /// In the place of the bucket.
    pub bucket: &'a Path,
    /// In the place of the cluster's DNS.
    pub dns: SocketAddr,
}

/// A pod that is to run, and the ports that it has here.
pub struct Planned<'a> {
    pub workload: &'a Value,
    number: usize,
    http: u16,
    grpc: u16,
}

impl<'a> Planned<'a> {
    /// One pod of a workload.
    pub fn one(workload: &'a Value, number: usize) -> Self {
        Self { workload, number, http: lasting_port(), grpc: lasting_port() }
    }

    /// All pods of a workload.
    pub fn all(workload: &'a Value) -> Vec<Self> {
        let replicas = workload["spec"]["replicas"].as_u64().unwrap();
        (0..replicas).map(|number| Self::one(workload, usize::try_from(number).unwrap())).collect()
    }

    /// As a StatefulSet calls it.
    pub fn name(&self) -> String {
        format!("{}-{}", text(&self.workload["metadata"]["name"]), self.number)
    }

    /// The port of this machine in the place of a named one of the container.
    pub fn port(&self, name: &Value) -> u16 {
        match text(name) {
            "http" => self.http,
            "grpc" => self.grpc,
            other => panic!("no port is named {other}"),
        }
    }

    /// `host:port` of this machine.
    pub fn addr(&self, port: &Value) -> String {
        format!("127.0.0.1:{}", self.port(port))
    }

    /// An argument as the kubelet gives it to the container, but for where the pod is.
    fn expanded(&self, arg: &str) -> String {
        let container = container(self.workload);
        let mut arg = arg.to_owned();
        for variable in list(&container["env"]) {
            let value = match text_if_any(&variable["valueFrom"]["fieldRef"]["fieldPath"]) {
                Some("metadata.name") => self.name(),
                Some(other) => panic!("{other} is not known here"),
                None => text_if_any(&variable["value"]).unwrap_or_default().to_owned(),
            };
            arg = arg.replace(&format!("$({})", text(&variable["name"])), &value);
        }
        assert!(!arg.contains("$("), "{arg}: of no variable");
        let (workload, name) = (self.workload, self.name());
        let Some(service) = text_if_any(&workload["spec"]["serviceName"]) else { return arg };
        // The name that a pod of a StatefulSet has.
        let namespace = text(&workload["metadata"]["namespace"]);
        let declared = port(container, &json!("grpc")).unwrap();
        let known_as = format!("{name}.{service}.{namespace}.svc.cluster.local:{declared}");
        arg.replace(&known_as, &self.addr(&json!("grpc")))
    }
}

/// A running pod.
pub struct Pod<'a> {
    planned: &'a Planned<'a>,
    pub process: Latewood,
}

impl<'a> Pod<'a> {
    /// Starts a pod with its volumes in `folder`.
    pub fn start(site: &Site, planned: &'a Planned<'a>, folder: &Path) -> Self {
        let container = container(planned.workload);
        let volumes = Volumes::new(site, planned, folder);
        let args =
            list(&container["args"]).into_iter().map(|arg| planned.expanded(&volumes.path_in(text(arg))));
        let mut command = Command::new(env!("CARGO_BIN_EXE_latewood"));
        command.args(args);
        let process = Latewood::try_start_command(&folder.join("log"), &mut command);
        let process = process.unwrap_or_else(|log| panic!("{} did not start:\n{log}", planned.name()));
        Self { planned, process }
    }

    /// Starts pods at the same time, each with a folder of its name.
    pub fn start_all(
        site: &Site,
        planned: impl IntoIterator<Item = &'a Planned<'a>>,
        folder: &Path,
    ) -> Vec<Self> {
        thread::scope(|scope| {
            let start =
                |one: &'a Planned<'a>| scope.spawn(move || Self::start(site, one, &folder.join(one.name())));
            let starting: Vec<_> = planned.into_iter().map(start).collect();
            starting.into_iter().map(|one| one.join().unwrap()).collect()
        })
    }

    /// Asks as the kubelet does: it is alive at once, and comes to be ready.
    pub async fn assert_probes_pass(&mut self) {
        let of = |probe: &str| {
            let get = &container(self.planned.workload)[probe]["httpGet"];
            format!("http://{}{}", self.planned.addr(&get["port"]), text(&get["path"]))
        };
        for url in ["startupProbe", "livenessProbe"].map(of) {
            assert_eq!(reqwest::get(&url).await.unwrap().status(), 200, "{url}");
        }
        let ready = of("readinessProbe");
        self.process.process.wait_for(&ready).await;
    }
}

/// Folders in the places of a pod's mounts.
struct Volumes(Vec<(String, PathBuf)>);

impl Volumes {
    fn new(site: &Site, planned: &Planned, folder: &Path) -> Self {
        let workload = planned.workload;
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
                let config = volumes.config(site, planned, text(content));
                fs::write(folder.join(text(&volume["name"])).join(name), config).unwrap();
            }
        }
        volumes
    }

    /// The configuration, with what needs a cluster led elsewhere.
    fn config(&self, site: &Site, planned: &Planned, content: &str) -> String {
        let container = container(planned.workload);
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
            *addr = json!(planned.addr(&json!(name)));
        }
        if config.get("bucket").is_some() {
            config["bucket"] = json!({"url": format!("file://{}", site.bucket.display())});
        }
        let dns = json!({"dns_servers": [site.dns.to_string()]});
        config["querier"]["store_sd"] = dns.clone();
        config["ingester"]["ring"]["join_sd"] = dns;
        // Nothing is to hear that a pod goes.
        config["shutdown_delay_seconds"] = json!(0);
        serde_saphyr::to_string(&config).unwrap()
    }

    /// A path of the container on this machine, in whatever text it stands.
    fn path_in(&self, text: &str) -> String {
        let mount = self.0.iter().find(|(mount, _)| text.contains(&**mount));
        mount.map_or(text.to_owned(), |(mount, at)| text.replace(&**mount, &at.display().to_string()))
    }
}
