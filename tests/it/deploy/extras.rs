//! What the chart renders when it is asked for: monitoring, network policies, autoscalers, keys from a Secret, sizes.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::{Value, json};

use super::chart::{Chart, DISTRIBUTED};
use super::manifests::{Manifests, container, list, port, selects, text};

fn with_everything(chart: &Chart) -> Manifests {
    chart.render(&[&Chart::example("monitoring-values.yaml")])
}

#[test]
fn prometheus_scrapes_each_component_once_under_the_job_that_alerts_expect() {
    let Some(chart) = Chart::find() else { return };
    let manifests = with_everything(&chart);
    let monitor = manifests.get("ServiceMonitor", "metrics-latewood");
    assert_eq!(monitor["metadata"]["labels"]["release"], "kube-prometheus-stack");
    let spec = &monitor["spec"];
    let wanted = spec["selector"]["matchLabels"].as_object().unwrap();
    let [unlike] = &list(&spec["selector"]["matchExpressions"])[..] else { panic!("{spec}") };
    assert_eq!(
        **unlike,
        json!({"key": "prometheus.io/service-monitor", "operator": "NotIn", "values": ["false"]})
    );
    let [endpoint] = &list(&spec["endpoints"])[..] else { panic!("{spec}") };
    let mut workloads = BTreeSet::new();
    for service in manifests.of_kind("Service") {
        let labels = &service["metadata"]["labels"];
        let is_left_out = labels["prometheus.io/service-monitor"] == "false";
        if is_left_out || !wanted.iter().all(|(name, value)| labels[name] == *value) {
            continue;
        }
        let ports = list(&service["spec"]["ports"]);
        assert!(ports.iter().any(|port| port["name"] == endpoint["port"]), "{service}");
        for workload in manifests.selected(&service["spec"]["selector"]) {
            assert!(workloads.insert(text(&workload["metadata"]["name"])), "{workload} is scraped twice");
        }
    }
    assert_eq!(workloads.len(), manifests.workloads().count());
    let [job] = &list(&endpoint["relabelings"])[..] else { panic!("{endpoint}") };
    assert_eq!((&job["targetLabel"], &job["replacement"]), (&json!("job"), &json!("latewood-$1")));
}

#[test]
fn rules_and_dashboards_are_the_files() {
    let Some(chart) = Chart::find() else { return };
    let manifests = with_everything(&chart);
    let files = Chart::folder().join("monitoring");
    let rules = std::fs::read_to_string(files.join("alerts.yaml")).unwrap();
    let rules: Value = serde_saphyr::from_str(&rules).unwrap();
    assert_eq!(manifests.get("PrometheusRule", "metrics-latewood")["spec"], rules);
    let mut found = 0;
    for file in files.join("dashboards").read_dir().unwrap().map(|file| file.unwrap().path()) {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        let short = name.trim_start_matches("latewood-").trim_end_matches(".json");
        let map = manifests.get("ConfigMap", &format!("metrics-latewood-dashboard-{short}"));
        let [in_map, in_file]: [Value; 2] =
            [text(&map["data"][&name]).to_owned(), std::fs::read_to_string(&file).unwrap()]
                .map(|json| serde_json::from_str(&json).unwrap());
        assert!(in_map == in_file, "{name}");
        assert_eq!(map["metadata"]["labels"]["grafana_dashboard"], "1");
        assert_eq!(map["metadata"]["annotations"]["grafana_folder"], "Latewood");
        found += 1;
    }
    assert_eq!(found, 5);
}

/// The components that a policy's rules name, by the port that they are about.
fn peers(manifests: &Manifests, rules: &Value, side: &str) -> BTreeSet<String> {
    let about = |rule: &&Value| list(&rule["ports"]).iter().any(|port| port["port"] == "grpc");
    let rules = list(rules).into_iter().filter(about);
    let selectors = rules.flat_map(|rule| list(&rule[side]));
    let named = |peer: &Value| {
        let labels = &peer["podSelector"]["matchLabels"];
        assert!(manifests.selected(labels).count() > 0, "nobody is {labels}");
        text(&labels["app.kubernetes.io/component"]).to_owned()
    };
    selectors.map(named).collect()
}

#[test]
fn network_policies_let_through_who_asks_and_nobody_else() {
    let Some(chart) = Chart::find() else { return };
    let manifests = with_everything(&chart);
    for workload in manifests.workloads() {
        let policies = manifests.of_kind("NetworkPolicy");
        let own = |policy: &&Value| selects(&policy["spec"]["podSelector"]["matchLabels"], workload);
        let [policy] = &policies.filter(own).collect::<Vec<_>>()[..] else { panic!("one for each") };
        let spec = &policy["spec"];
        let component = text(&policy["metadata"]["labels"]["app.kubernetes.io/component"]);
        let (by, of): (&[&str], &[&str]) = match component {
            "ingester" => (&["ingester", "querier"], &["ingester"]),
            "store-gateway" => (&["querier"], &[]),
            "querier" => (&[], &["ingester", "store-gateway"]),
            _ => (&[], &[]),
        };
        let named = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<BTreeSet<_>>();
        assert_eq!(peers(&manifests, &spec["ingress"], "from"), named(by), "{component}");
        assert_eq!(peers(&manifests, &spec["egress"], "to"), named(of), "{component}");
        let http = list(&spec["ingress"])[0];
        assert_eq!(http["ports"], json!([{"port": "http", "protocol": "TCP"}]));
        assert!(["http", "grpc"].iter().all(|name| port(container(workload), &json!(name)).is_some()));
        let from = if ["ingester", "querier"].contains(&component) { 2 } else { 1 };
        assert_eq!(list(&http["from"]).len(), from, "{component}: clients, and Prometheus");
        let ports: Vec<u64> = list(&spec["egress"])
            .iter()
            .flat_map(|rule| list(&rule["ports"]))
            .filter_map(|port| port["port"].as_u64())
            .collect();
        assert_eq!(ports, [53, 53, 443, 8333], "{component}");
    }
    let single = chart.render(&["--set=networkPolicy.enabled=true"]);
    let policy = single.get("NetworkPolicy", "metrics-latewood");
    assert_eq!(
        policy["spec"]["ingress"],
        json!([{"ports": [{"port": "http", "protocol": "TCP"}]}]),
        "for all"
    );
}

#[test]
fn an_autoscaler_owns_the_replicas_of_what_it_scales() {
    let Some(chart) = Chart::find() else { return };
    let manifests = with_everything(&chart);
    let mut scaled = BTreeSet::new();
    for scaler in manifests.of_kind("HorizontalPodAutoscaler") {
        let target = &scaler["spec"]["scaleTargetRef"];
        let workload = manifests.get(text(&target["kind"]), text(&target["name"]));
        assert_eq!(workload["spec"].get("replicas"), None, "an upgrade would set it back");
        assert!(!list(&scaler["spec"]["metrics"]).is_empty());
        scaled.insert(text(&target["name"]));
    }
    assert_eq!(scaled, ["metrics-latewood-querier", "metrics-latewood-store-gateway"].into());
    let flag = "--set=querier.autoscaling.enabled=true,querier.autoscaling.targetCPUUtilizationPercentage=0";
    let error = chart.try_render(&[&DISTRIBUTED[..], &[flag]].concat()).unwrap_err();
    assert!(error.contains("querier.autoscaling: a target is needed"), "{error}");
}

#[test]
fn keys_of_the_bucket_come_from_a_secret_that_is_there() {
    let Some(chart) = Chart::find() else { return };
    for workload in with_everything(&chart).workloads() {
        let env = list(&container(workload)["env"]);
        for (name, key) in [("AWS_ACCESS_KEY_ID", "access-key"), ("AWS_SECRET_ACCESS_KEY", "secret-key")] {
            let from = json!({"secretKeyRef": {"name": "latewood-s3", "key": key}});
            assert!(env.iter().any(|one| one["name"] == name && one["valueFrom"] == from), "{env:?}");
        }
    }
    let keyless = chart.render(&DISTRIBUTED);
    assert!(keyless.workloads().all(|one| !container(one)["env"].to_string().contains("AWS_")));
}

#[test]
fn readers_prefer_other_zones_too() {
    let Some(chart) = Chart::find() else { return };
    let manifests = chart.render(&DISTRIBUTED);
    for workload in manifests.workloads() {
        let pod = &workload["spec"]["template"]["spec"];
        let preferred =
            list(&pod["affinity"]["podAntiAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"]);
        let many = !text(&workload["metadata"]["name"]).ends_with("compactor");
        assert_eq!((preferred.len() == 1, !list(&pod["topologySpreadConstraints"]).is_empty()), (many, many));
        for term in preferred {
            assert!(selects(&term["podAffinityTerm"]["labelSelector"]["matchLabels"], workload));
        }
    }
}

/// Bytes or thousandths of a core.
fn quantity(value: &Value) -> u64 {
    let value = text(value);
    let digits = value.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let number: u64 = digits.parse().unwrap();
    number
        * match &value[digits.len()..] {
            "Gi" => 1 << 30,
            "Mi" => 1 << 20,
            "m" => 1,
            "" => 1000,
            other => panic!("{other}"),
        }
}

#[test]
fn sizes_are_what_they_say_and_the_binary_takes_their_settings() {
    let Some(chart) = Chart::find() else { return };
    let folder = tempfile::tempdir().unwrap();
    for (size, usual, cores, gigabytes, disk) in [
        ("small", "single", 2, 8, 100),
        ("medium", "distributed", 4, 16, 500),
        ("large", "distributed", 8, 32, 1000),
    ] {
        let file = Chart::size(size);
        let bucket = DISTRIBUTED[1];
        let left = chart.render(&[&file, bucket]);
        assert_eq!(left.workloads().count() == 1, usual == "single", "{size}: its own mode");
        for mode in ["single", "distributed"] {
            let manifests = chart.render(&[&file, bucket, &format!("--set=mode={mode}")]);
            let mut sums = [0; 3];
            for workload in manifests.workloads() {
                let spec = &workload["spec"];
                let count = spec["replicas"].as_u64().unwrap_or_else(|| {
                    let named = text(&workload["metadata"]["name"]);
                    manifests.get("HorizontalPodAutoscaler", named)["spec"]["minReplicas"].as_u64().unwrap()
                });
                let resources = &container(workload)["resources"];
                let requests = &resources["requests"];
                assert!(quantity(&requests["memory"]) <= quantity(&resources["limits"]["memory"]), "{size}");
                let claims = list(&spec["volumeClaimTemplates"]).into_iter();
                let claims = claims.map(|claim| quantity(&claim["spec"]["resources"]["requests"]["storage"]));
                let each = [quantity(&requests["cpu"]), quantity(&requests["memory"]), claims.sum()];
                sums.iter_mut().zip(each).for_each(|(sum, one)| *sum += count * one);
            }
            let most = [cores * 1000, gigabytes << 30, disk << 30];
            assert!(
                sums.iter().zip(most).all(|(sum, most)| *sum <= most),
                "{size} {mode}: {sums:?} of {most:?}"
            );
            assert!(sums[0] * 10 >= most[0] * 9, "{size} {mode} leaves cores unused: {sums:?}");
            let config = folder.path().join("latewood.yaml");
            let map = manifests.get("ConfigMap", "metrics-latewood");
            std::fs::write(&config, text(&map["data"]["latewood.yaml"])).unwrap();
            let mut check = Command::new(env!("CARGO_BIN_EXE_latewood"));
            let check = check.arg("config").arg("--config").arg(&config).output().unwrap();
            assert!(check.status.success(), "{size} {mode}: {}", String::from_utf8_lossy(&check.stderr));
        }
    }
}
