//! The compose file, as far as it can be judged without a container engine.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::manifests::{list, text};
use crate::harness::{Latewood, Peers};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/compose")
}

fn read(name: &str) -> Value {
    serde_saphyr::from_str(&std::fs::read_to_string(folder().join(name)).unwrap()).unwrap()
}

fn compose() -> Value {
    read("docker-compose.yaml")
}

fn services(compose: &Value) -> BTreeMap<&str, &Value> {
    compose["services"].as_object().unwrap().iter().map(|(name, service)| (name.as_str(), service)).collect()
}

/// Where files of this repository are in a service's container: path in the container, path here.
fn files(compose: &Value, service: &Value) -> BTreeMap<String, PathBuf> {
    let configs = list(&service["configs"]).into_iter().map(|config| {
        let source = text(&config["source"]);
        let file = compose["configs"][source]["file"].as_str();
        let file = file.unwrap_or_else(|| panic!("no config is called {source}"));
        (text(&config["target"]).to_owned(), folder().join(file))
    });
    let volumes = list(&service["volumes"]).into_iter().filter_map(|volume| {
        let mut parts = text(volume).split(':');
        let (from, to) = (parts.next().unwrap(), parts.next().unwrap());
        if !from.starts_with('.') {
            assert!(compose["volumes"].get(from).is_some(), "no volume is called {from}");
            return None;
        }
        Some((to.to_owned(), folder().join(from)))
    });
    configs.chain(volumes).collect()
}

#[test]
fn the_compose_specification_allows_it() {
    let Some(peers) = Peers::find() else { return };
    let check = |file: &Path| {
        let mut command = peers.check_jsonschema();
        command.args(["--builtin-schema", "vendor.compose-spec"]).arg(file).output().unwrap()
    };
    let file = folder().join("docker-compose.yaml");
    let found = check(&file);
    assert!(found.status.success(), "{found:?}");
    // That it would find something.
    let temporary = tempfile::tempdir().unwrap();
    let wrong = temporary.path().join("docker-compose.yaml");
    std::fs::write(&wrong, std::fs::read_to_string(&file).unwrap().replace("mem_limit:", "memory:")).unwrap();
    assert!(!check(&wrong).status.success());
}

#[test]
fn services_find_their_files_and_each_other_and_a_laptop_has_room() {
    let compose = compose();
    let services = services(&compose);
    let mut megabytes = 0;
    let (mut ports, mut replicas) = (BTreeSet::new(), BTreeSet::new());
    for (name, service) in &services {
        for path in files(&compose, service).values() {
            assert!(path.exists(), "{name}: {} is not there", path.display());
        }
        for other in list(&service["depends_on"]) {
            assert!(services.contains_key(text(other)), "{name} depends on {other}");
        }
        megabytes += text(&service["mem_limit"]).trim_end_matches('m').parse::<u32>().unwrap();
        for port in list(&service["ports"]) {
            let (host, _) = text(port).rsplit_once(':').unwrap();
            assert!(host.starts_with("127.0.0.1:"), "{name}: {host} is open to others");
            assert!(ports.insert(host), "{host} twice");
        }
        replicas.extend(service["environment"]["REPLICA"].as_str());
    }
    assert!(megabytes <= 4096, "{megabytes}");
    assert_eq!(replicas, ["1", "2"].into());
    let mut targets = vec![text(&read("grafana/datasource.yaml")["datasources"][0]["url"]).to_owned()];
    let prometheus = read("prometheus.yaml");
    targets.push(text(&prometheus["remote_write"][0]["url"]).to_owned());
    let statics =
        list(&prometheus["scrape_configs"]).into_iter().chain(list(&prometheus["alerting"]["alertmanagers"]));
    let statics = statics.flat_map(|job| list(&job["static_configs"])).flat_map(|one| list(&one["targets"]));
    targets.extend(statics.map(|target| text(target).to_owned()));
    assert!(targets.len() >= 8, "{targets:?}");
    for target in targets {
        let address = target.trim_start_matches("http://").split('/').next().unwrap();
        let (host, port) = address.split_once(':').unwrap();
        let published = list(&services[host]["ports"]);
        assert!(published.iter().any(|one| text(one).ends_with(&format!(":{port}"))), "{target}");
    }
}

#[test]
fn real_programs_take_their_configuration() {
    let Some(peers) = Peers::find() else { return };
    let compose = compose();
    let services = services(&compose);
    let temporary = tempfile::tempdir().unwrap();
    let mounted = files(&compose, services["prometheus-1"]);
    let mut config = std::fs::read_to_string(&mounted["/etc/prometheus/prometheus.yaml"]).unwrap();
    for (target, path) in &mounted {
        config = config.replace(target, &path.display().to_string());
    }
    assert!(!config.contains("/etc/"), "a file is not mounted: {config}");
    let file = temporary.path().join("prometheus.yaml");
    std::fs::write(&file, config).unwrap();
    let alertmanager =
        files(&compose, services["alertmanager"])["/etc/alertmanager/alertmanager.yaml"].clone();
    for (program, args, file) in
        [("promtool", &["check", "config"][..], file), ("amtool", &["check-config"][..], alertmanager)]
    {
        let found = peers.program(program).args(args).arg(file).output().unwrap();
        assert!(found.status.success(), "{program}: {found:?}");
    }
}

#[tokio::test]
async fn latewood_starts_as_it_is_told() {
    let compose = compose();
    let service = services(&compose)["latewood"];
    let temporary = tempfile::tempdir().unwrap();
    let data = temporary.path().join("data");
    let config = &files(&compose, service)["/etc/latewood/latewood.yaml"];
    let settings = std::fs::read_to_string(config).unwrap();
    // Of the container's file system one place may be written to.
    assert!(list(&service["volumes"]).iter().any(|volume| text(volume).ends_with(":/data")));
    let settings = settings.replace("data_dir: /data", &format!("data_dir: {}", data.display()));
    let settings = settings.replace("\":9009\"", "\"127.0.0.1:0\"").replace("\":9095\"", "\"127.0.0.1:0\"");
    let copy = temporary.path().join("latewood.yaml");
    std::fs::write(&copy, settings).unwrap();
    let args = list(&service["command"]).into_iter().map(|arg| text(arg).to_owned());
    let args = args.map(|arg| arg.replace("/etc/latewood/latewood.yaml", &copy.display().to_string()));
    let mut command = Command::new(env!("CARGO_BIN_EXE_latewood"));
    let process = Latewood::try_start_command(&data, command.args(args)).unwrap();
    assert_eq!(reqwest::get(format!("{}/ready", process.url)).await.unwrap().status(), 200);
    assert!(data.exists());
    process.stop();
}
