//! The Dockerfile, as far as it can be judged without a container engine.

use std::process::Command;

use serde_json::{Value, json};

use super::chart::Chart;
use super::manifests::{container, list};
use crate::harness::Latewood;

/// The instructions of the last stage, continued lines joined: name and rest.
fn instructions() -> Vec<(String, String)> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/docker/Dockerfile");
    let text = std::fs::read_to_string(path).unwrap().replace("\\\n", " ");
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let (name, rest) = line.split_once(' ').unwrap();
            (name.to_owned(), rest.trim().to_owned())
        })
        .collect()
}

/// What the last instruction of a name says.
fn said(name: &str) -> String {
    let all = instructions();
    all.into_iter().rfind(|(found, _)| found == name).unwrap_or_else(|| panic!("no {name}")).1
}

#[tokio::test]
async fn what_the_image_runs_starts_on_the_ports_that_it_exposes() {
    let folder = tempfile::tempdir().unwrap();
    let entry: Vec<String> = serde_json::from_str(&said("ENTRYPOINT")).unwrap();
    assert_eq!(entry, ["latewood"]);
    let mut args: Vec<String> = serde_json::from_str(&said("CMD")).unwrap();
    let exposed = said("EXPOSE");
    for (flag, port) in ["--http-addr", "--grpc-addr"].into_iter().zip(exposed.split(' ')) {
        let listens = args.iter_mut().find(|arg| arg.starts_with(flag)).unwrap();
        assert_eq!(*listens, format!("{flag}=:{port}"));
        *listens = format!("{flag}=127.0.0.1:0");
    }
    // The one place that may be written to.
    let volume = said("VOLUME");
    let data = args.iter_mut().find(|arg| **arg == format!("--data-dir={volume}")).unwrap();
    *data = format!("--data-dir={}", folder.path().join("data").display());
    let mut command = Command::new(env!("CARGO_BIN_EXE_latewood"));
    let process = Latewood::try_start_command(&folder.path().join("data"), command.args(args)).ok().unwrap();
    assert_eq!(reqwest::get(format!("{}/ready", process.url)).await.unwrap().status(), 200);
    process.stop();
}

#[test]
fn the_image_and_the_chart_agree_on_user_ports_and_place() {
    let user = said("USER");
    let (uid, gid) = user.split_once(':').unwrap();
    assert!(uid.parse::<u32>().unwrap() > 0, "a number, and not root's");
    let copied = instructions();
    let owns = |rest: &String| rest.contains(&format!("--chown={user}")) && rest.ends_with(&said("VOLUME"));
    assert!(copied.iter().any(|(name, rest)| name == "COPY" && owns(rest)), "the user owns the volume");
    let Some(chart) = Chart::find() else { return };
    let manifests = chart.render(&[]);
    let workload = manifests.get("StatefulSet", "metrics-latewood");
    let security = &workload["spec"]["template"]["spec"]["securityContext"];
    let number = |text: &str| json!(text.parse::<u32>().unwrap());
    assert_eq!(
        [&security["runAsUser"], &security["runAsGroup"], &security["fsGroup"]],
        [&number(uid), &number(gid), &number(gid)]
    );
    let ports = list(&container(workload)["ports"]).into_iter().map(|port| port["containerPort"].to_string());
    assert_eq!(ports.collect::<Vec<_>>().join(" "), said("EXPOSE"));
    let mounted = |mount: &&Value| mount["mountPath"] == said("VOLUME") && mount.get("readOnly").is_none();
    assert_eq!(list(&container(workload)["volumeMounts"]).into_iter().filter(mounted).count(), 1);
}

#[test]
fn the_toolchain_is_the_one_that_the_workspace_asks_for() {
    let built_with = instructions().into_iter().find(|(name, _)| name == "FROM").unwrap().1;
    assert!(built_with.starts_with(&format!("rust:{}-", env!("CARGO_PKG_RUST_VERSION"))), "{built_with}");
}
