//! What the chart renders for which values.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use super::chart::{Chart, DISTRIBUTED};
use super::manifests::{Manifests, container, list, port, selects, text};

/// Kubernetes' releases whose schemas are asked: the oldest that the chart takes, and two that are newer.
const KUBERNETES: [&str; 3] = ["1.27", "1.33", "1.36"];
const COMPONENTS: [&str; 4] = ["ingester", "store_gateway", "querier", "compactor"];

/// The flags for each release that is looked at, with a name.
fn releases() -> Vec<(String, Vec<String>)> {
    let owned = |flags: &[&str]| flags.iter().map(|&flag| flag.to_owned()).collect::<Vec<_>>();
    let mut releases = vec![
        ("single".to_owned(), vec![]),
        ("all together".to_owned(), owned(&DISTRIBUTED)),
        ("single's example".to_owned(), vec![Chart::example("single-values.yaml")]),
        ("distributed's example".to_owned(), vec![Chart::example("distributed-values.yaml")]),
        ("zones' example".to_owned(), vec![Chart::example("zones-values.yaml")]),
        ("monitoring's example".to_owned(), vec![Chart::example("monitoring-values.yaml")]),
    ];
    for size in ["small", "medium", "large"] {
        for mode in ["single", "distributed"] {
            let flags = [Chart::size(size), format!("--set=mode={mode}"), DISTRIBUTED[1].to_owned()];
            releases.push((format!("{size} {mode}"), flags.into()));
        }
    }
    releases.extend(COMPONENTS.map(|alone| (alone.to_owned(), only(alone))));
    releases
}

/// One component alone, which asks peers elsewhere.
fn only(component: &str) -> Vec<String> {
    let mut flags: Vec<String> = DISTRIBUTED.map(str::to_owned).into();
    let others = COMPONENTS.iter().filter(|other| **other != component);
    flags.extend(others.map(|other| format!("--set={other}.enabled=false")));
    for peers in ["ingester_addrs", "store_gateway_addrs"] {
        flags.push(format!("--set=config.querier.{peers}[0]=dns+elsewhere.example:9095"));
    }
    flags
}

fn render(chart: &Chart, flags: &[String]) -> Manifests {
    chart.render(&flags.iter().map(String::as_str).collect::<Vec<_>>())
}

#[test]
fn each_component_alone_all_together_and_single_have_their_resources() {
    let Some(chart) = Chart::find() else { return };
    let of = |workload: &str, name: &str, rest: &[&str]| {
        let rest = rest.iter().map(|one| one.replace('*', name));
        let own = [format!("{workload}/{name}"), format!("Service/{name}")];
        own.into_iter().chain(rest).collect::<BTreeSet<_>>()
    };
    let shared = || ["ConfigMap/metrics-latewood", "ServiceAccount/metrics-latewood"].map(str::to_owned);
    let (headless, budget) = ("Service/*-headless", "PodDisruptionBudget/*");
    let expected = [
        ("ingester", of("StatefulSet", "metrics-latewood-ingester", &[headless, budget])),
        ("store_gateway", of("StatefulSet", "metrics-latewood-store-gateway", &[headless, budget])),
        ("querier", of("Deployment", "metrics-latewood-querier", &[budget])),
        ("compactor", of("Deployment", "metrics-latewood-compactor", &[])),
    ];
    for (component, own) in &expected {
        let names = render(&chart, &only(component)).names();
        assert_eq!(names, own.iter().cloned().chain(shared()).collect());
    }
    let all: BTreeSet<String> = expected.into_iter().flat_map(|(_, own)| own).chain(shared()).collect();
    assert_eq!(chart.render(&DISTRIBUTED).names(), all);
    let single = of("StatefulSet", "metrics-latewood", &[headless]);
    assert_eq!(chart.render(&[]).names(), single.into_iter().chain(shared()).collect());
}

#[test]
fn helm_and_the_schemas_of_kubernetes_find_nothing() {
    let Some(chart) = Chart::find() else { return };
    let folder = tempfile::tempdir().unwrap();
    let mut files = Vec::new();
    for (name, flags) in releases() {
        let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
        chart.lint(&flags).unwrap_or_else(|error| panic!("{name}: {error}"));
        let file = folder.path().join(format!("{name}.yaml"));
        std::fs::write(&file, chart.try_render(&flags).unwrap()).unwrap();
        files.push(file);
    }
    let validate = |version: &str, files: &[std::path::PathBuf]| {
        let mut command = chart.peers.kubernetes_validate();
        command.args(["--strict", "--kubernetes-version", version]).args(files).output().unwrap()
    };
    for version in KUBERNETES {
        let found = validate(version, &files);
        assert!(found.status.success(), "{version}: {found:?}");
    }
    // That it would find something.
    let text = std::fs::read_to_string(&files[0]).unwrap();
    let wrong = folder.path().join("wrong.yaml");
    std::fs::write(&wrong, text.replace("serviceAccountName:", "serviceAcountName:")).unwrap();
    assert!(!validate(KUBERNETES[0], &[wrong]).status.success());
}

#[test]
fn values_that_are_wrong_are_refused_and_named() {
    let Some(chart) = Chart::find() else { return };
    for (wrong, named) in [
        ("mode=both", "/mode"),
        ("ingestor.enabled=true", "'ingestor'"),
        ("ingester.replica=2", "'replica'"),
        ("ingester.replicas=many", "/ingester/replicas"),
        ("ingester.resources.request.cpu=1", "'request'"),
        ("ingester.resources.requests.cpu=much", "/ingester/resources/requests/cpu"),
        ("ingester.extraArgs[0]=verbose", "/ingester/extraArgs/0"),
        ("querier.persistence.enabled=true", "/querier/persistence"),
        ("single.replicas=2", "/single/replicas"),
        ("single.enabled=true", "/single/enabled"),
        ("image.pullPolicy=Sometimes", "/image/pullPolicy"),
        ("image.digest=sha256:1", "/image/digest"),
        ("probes.liveness.path=/x", "'path'"),
        ("compactor.service.type=ExternalName", "/compactor/service/type"),
        ("compactor.podDisruptionBudget.max=1", "'max'"),
        ("ingester.replicas=0", "/ingester/replicas"),
        ("ingester.zones[0].name=A", "/ingester/zones/0/name"),
        ("ingester.zones[0].nodeSelector=a", "/ingester/zones/0/nodeSelector"),
        ("ingester.zones[0].replicas=1", "'replicas'"),
        ("querier.zones[0].name=a", "/querier/zones"),
        ("store_gateway.zones[0].name=a", "/store_gateway/zones"),
        ("ingester.autoscaling.enabled=true", "/ingester/autoscaling"),
        ("compactor.autoscaling.enabled=true", "/compactor/autoscaling"),
        ("querier.autoscaling.max=3", "'max'"),
        ("bucketCredentials.accessKeyId=AKIA", "'accessKeyId'"),
        ("serviceMonitor.interval=often", "/serviceMonitor/interval"),
        ("networkPolicy.bucketPorts[0]=https", "/networkPolicy/bucketPorts/0"),
        ("config.bucket.url=http://metrics", "/config/bucket/url"),
        ("global.clusterDomain=a/b", "/global/clusterDomain"),
        ("serviceAccount.annotations.role.arn=1", "/serviceAccount/annotations/role"),
    ] {
        let error = chart.try_render(&["--set", wrong]).expect_err(wrong);
        assert!(error.contains(named) && error.contains("don't meet the specifications"), "{wrong}: {error}");
    }
}

#[test]
fn values_that_do_not_go_together_are_refused() {
    let Some(chart) = Chart::find() else { return };
    let elsewhere = ["--set=ingester.enabled=false", DISTRIBUTED[0], DISTRIBUTED[1]];
    for (flags, says) in [
        (&DISTRIBUTED[..1], "config.bucket.url must be s3://"),
        (
            &["--set=mode=distributed", "--set=config.bucket.url=file:///data"],
            "config.bucket.url must be s3://",
        ),
        (&elsewhere, "config.querier.ingester_addrs must say where"),
    ] {
        let error = chart.try_render(flags).expect_err(says);
        assert!(error.contains(says), "{flags:?}: {error}");
    }
}

#[test]
fn what_refers_to_something_finds_it() {
    let Some(chart) = Chart::find() else { return };
    for (name, flags) in releases() {
        let manifests = render(&chart, &flags);
        // Workloads of a component.
        let parts = |of: &Value| {
            let is_ingester = of["metadata"]["labels"]["app.kubernetes.io/component"] == "ingester";
            if is_ingester && name.starts_with("zones") { 3 } else { 1 }
        };
        for service in manifests.of_kind("Service") {
            let workloads = manifests.selected(&service["spec"]["selector"]).collect::<Vec<_>>();
            assert_eq!(workloads.len(), parts(service), "{name}: {}", service["metadata"]["name"]);
            for one in list(&service["spec"]["ports"]) {
                let named = |workload: &&Value| port(container(workload), &one["targetPort"]);
                assert!(
                    workloads.iter().all(|workload| named(workload) == one["port"].as_u64()),
                    "{name}: {one}"
                );
            }
        }
        for budget in manifests.of_kind("PodDisruptionBudget") {
            let selected = manifests.selected(&budget["spec"]["selector"]["matchLabels"]).count();
            assert_eq!(selected, parts(budget), "{name}");
        }
        for workload in manifests.workloads() {
            refers_to_what_is_there(&manifests, workload);
        }
    }
}

fn refers_to_what_is_there(manifests: &Manifests, workload: &Value) {
    let (spec, pod) = (&workload["spec"], &workload["spec"]["template"]["spec"]);
    let own = &spec["selector"]["matchLabels"];
    assert!(selects(own, workload) && manifests.selected(own).count() == 1, "{own}");
    manifests.get("ServiceAccount", text(&pod["serviceAccountName"]));
    if workload["kind"] == "StatefulSet" {
        let governing = manifests.get("Service", text(&spec["serviceName"]));
        assert_eq!(governing["spec"]["clusterIP"], "None");
    }
    let claims = list(&spec["volumeClaimTemplates"]).into_iter().map(|claim| &claim["metadata"]["name"]);
    let volumes: Vec<&Value> =
        list(&pod["volumes"]).iter().map(|volume| &volume["name"]).chain(claims).collect();
    for mount in list(&container(workload)["volumeMounts"]) {
        assert_eq!(volumes.iter().filter(|name| **name == &mount["name"]).count(), 1, "{mount}");
    }
    for constraint in list(&pod["topologySpreadConstraints"]) {
        assert!(selects(&constraint["labelSelector"]["matchLabels"], workload), "{constraint}");
    }
}

/// <https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted>, and no root file system to write to.
#[test]
fn pods_are_restricted() {
    let Some(chart) = Chart::find() else { return };
    for (_, flags) in releases() {
        for workload in render(&chart, &flags).workloads() {
            let pod = &workload["spec"]["template"]["spec"];
            assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
            assert_eq!(pod["securityContext"]["seccompProfile"], json!({"type": "RuntimeDefault"}));
            assert_eq!(pod["automountServiceAccountToken"], false);
            let limits = json!({
                "allowPrivilegeEscalation": false,
                "readOnlyRootFilesystem": true,
                "capabilities": {"drop": ["ALL"]},
            });
            assert_eq!(container(workload)["securityContext"], limits);
        }
    }
}

#[test]
fn who_scales_ingesters_restarts_nobody() {
    let Some(chart) = Chart::find() else { return };
    let restarted = |flags: [&str; 2]| {
        let sums = flags.map(|flag| {
            let manifests = chart.render(&[DISTRIBUTED[0], DISTRIBUTED[1], flag]);
            let template = |one: &Value| (one["metadata"]["name"].clone(), one["spec"]["template"].clone());
            manifests.workloads().map(template).collect::<Vec<_>>()
        });
        let changed = sums[0].iter().filter(|one| !sums[1].contains(one));
        changed.map(|(name, _)| text(name).to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(restarted(["--set=ingester.replicas=3", "--set=ingester.replicas=4"]), [""; 0]);
    let peers = ["--set=store_gateway.replicas=1", "--set=config.querier.min_ingesters=7"];
    assert_eq!(restarted(peers), ["metrics-latewood-querier"]);
    let log = ["--set=config.log.level=info", "--set=config.log.level=warn"];
    assert_eq!(restarted(log).len(), 4);
}

/// What a release's configuration file says.
fn config(manifests: &Manifests) -> Value {
    serde_saphyr::from_str(text(&manifests.get("ConfigMap", "metrics-latewood")["data"]["latewood.yaml"]))
        .unwrap()
}

#[test]
fn ingesters_found_one_cluster_unless_they_are_told_not_to() {
    let Some(chart) = Chart::find() else { return };
    let headless = |manifests: &Manifests, name: &str| {
        manifests.get("Service", &format!("metrics-latewood-{name}-headless"))["spec"]["publishNotReadyAddresses"].clone()
    };
    let manifests = chart.render(&DISTRIBUTED);
    assert_eq!(headless(&manifests, "ingester"), true, "they are ready when they have found each other");
    assert_eq!(headless(&manifests, "store-gateway"), false);
    let given = |flags: &[&str]| config(&chart.render(&[&DISTRIBUTED, flags].concat()));
    let all = given(&["--set=ingester.replicas=5"]);
    assert_eq!(all["ingester"]["ring"]["founders"], 5);
    assert_eq!(all["ingester"]["ring"]["join_members"], all["querier"]["ingester_addrs"]);
    assert_eq!(all["querier"].get("min_ingesters"), None, "a cluster tells who must answer");
    let alone = given(&["--set-json=config.ingester.ring.join_members=[]"]);
    assert_eq!(alone["ingester"]["ring"]["join_members"], json!([]));
    assert_eq!(alone["querier"]["min_ingesters"], 3);
    assert_eq!(config(&chart.render(&[])).get("ingester"), None);
}

#[test]
fn zones_share_the_ingesters() {
    let Some(chart) = Chart::find() else { return };
    let manifests = chart.render(&[&Chart::example("zones-values.yaml")]);
    for zone in ["a", "b", "c"] {
        let set = manifests.get("StatefulSet", &format!("metrics-latewood-ingester-{zone}"));
        let (spec, pod) = (&set["spec"], &set["spec"]["template"]["spec"]);
        assert_eq!((spec["replicas"].as_u64(), text(&spec["updateStrategy"]["type"])), (Some(2), "OnDelete"));
        assert_eq!(pod["nodeSelector"]["topology.kubernetes.io/zone"], format!("eu-west-1{zone}"));
        assert_eq!(pod["nodeSelector"]["disk"], "ssd");
        let args: Vec<&str> = list(&container(set)["args"]).into_iter().map(text).collect();
        let flag = format!("--ingester.ring.instance-availability-zone={zone}");
        assert!(args.contains(&flag.as_str()), "{args:?}");
        let keys: Vec<&str> = list(&pod["tolerations"]).into_iter().map(|one| text(&one["key"])).collect();
        let class = spec["volumeClaimTemplates"][0]["spec"].get("storageClassName").map(text);
        let own = (&["dedicated", "arm"][..], Some("fast"));
        assert_eq!((&keys[..], class), if zone == "c" { own } else { (&own.0[..1], None) });
        assert_eq!(pod["affinity"].is_object(), zone == "c");
    }
    let zones = |names: &[&str]| {
        let named = |(at, name): (usize, &&str)| format!("--set=ingester.zones[{at}].name={name}");
        let flags: Vec<String> = names.iter().enumerate().map(named).collect();
        let flags = DISTRIBUTED.into_iter().chain(flags.iter().map(String::as_str));
        chart.try_render(&flags.collect::<Vec<_>>()).err().unwrap_or_default()
    };
    for (names, says) in [
        (["a", "b"].to_vec(), "3 is no multiple of 2"),
        (vec!["a", "b", "a"], "two have the same name"),
        (vec!["a", "b", "named-like-the-whole-region"], "more than 52 letters"),
        (vec!["a", "b", "c"], ""),
    ] {
        let error = zones(&names);
        assert!(error.contains(says) && error.is_empty() == says.is_empty(), "{names:?}: {error}");
    }
}

#[test]
fn pods_without_zones_prefer_other_hosts_and_zones() {
    let Some(chart) = Chart::find() else { return };
    let manifests = chart.render(&[&Chart::example("distributed-values.yaml")]);
    let set = manifests.get("StatefulSet", "metrics-latewood-ingester");
    let affinity = &set["spec"]["template"]["spec"]["affinity"];
    assert!(affinity["nodeAffinity"].is_object(), "what the values say stays: {affinity}");
    let term =
        &affinity["podAntiAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"][0]["podAffinityTerm"];
    assert_eq!(term["topologyKey"], "topology.kubernetes.io/zone");
    assert!(selects(&term["labelSelector"]["matchLabels"], set));
    let spread = &set["spec"]["template"]["spec"]["topologySpreadConstraints"][0];
    assert_eq!(
        (text(&spread["topologyKey"]), text(&spread["whenUnsatisfiable"])),
        ("kubernetes.io/hostname", "ScheduleAnyway")
    );
}

#[test]
fn a_pod_that_goes_has_time_to_be_forgotten_by_clients() {
    let Some(chart) = Chart::find() else { return };
    let manifests = chart.render(&DISTRIBUTED);
    let delay = config(&manifests)["shutdown_delay_seconds"].as_u64().unwrap();
    assert!(delay > 0);
    for workload in manifests.workloads() {
        let grace = workload["spec"]["template"]["spec"]["terminationGracePeriodSeconds"].as_u64().unwrap();
        assert!(grace >= delay + 30, "{grace} s");
    }
}

#[test]
fn the_version_is_the_binary_s() {
    let text = std::fs::read_to_string(Chart::folder().join("Chart.yaml")).unwrap();
    let chart: Value = serde_saphyr::from_str(&text).unwrap();
    assert_eq!(chart["appVersion"], env!("CARGO_PKG_VERSION"));
}

#[test]
fn the_notes_name_services_that_are_there() {
    let Some(chart) = Chart::find() else { return };
    for (name, flags) in releases() {
        let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
        let (notes, manifests) = (chart.notes(&flags), chart.render(&flags));
        let named: Vec<&str> = notes
            .split("http://")
            .skip(1)
            .filter_map(|url| url.split_once(".monitoring.svc."))
            .map(|(name, _)| name)
            .collect();
        for service in &named {
            manifests.get("Service", service);
        }
        let (writes, reads) = (notes.contains("/api/v1/write"), notes.contains("Grafana"));
        let does = |alone: &str| !COMPONENTS.contains(&&*name) || name == alone;
        assert_eq!((writes, reads), (does("ingester"), does("querier")), "{name}: {notes}");
        assert_eq!(named.len(), usize::from(writes) + usize::from(reads), "{name}: {notes}");
    }
}

/// The commands that the documents show, with `template` in the place of `install`.
#[test]
fn the_commands_of_the_documents_work() {
    let Some(chart) = Chart::find() else { return };
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut tried = 0;
    for (folder, document) in [(root.to_owned(), "README.md"), (Chart::folder(), "README.md")] {
        let text = std::fs::read_to_string(folder.join(document)).unwrap().replace("\\\n", " ");
        for line in text.lines().filter_map(|line| line.trim().strip_prefix("helm install ")) {
            let script = format!("\"$HELM\" template {line}");
            let helm = chart.peers.helm();
            let mut shell = Command::new("sh");
            shell.args(["-c", &script]).env("HELM", helm.get_program()).current_dir(&folder);
            let output = shell.output().unwrap();
            assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
            tried += 1;
        }
    }
    assert!(tried >= 4, "{tried} commands were found");
}
