//! The layers of ARCHITECTURE.md, kept by `cargo metadata`.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

/// Which crates of ours each crate may use. What is not here may use nothing.
const MAY_USE: &[(&str, &[&str])] = &[
    ("base", &[]),
    ("model", &["base"]),
    ("wal", &["base"]),
    ("discovery", &["base"]),
    ("objstore", &["base"]),
    ("proto", &["base", "model"]),
    ("promql", &["base", "model"]),
    ("auth", &["base", "model"]),
    ("service", &["auth", "base", "model"]),
    ("catalog", &["base", "model", "objstore"]),
    ("block", &["base", "model", "objstore"]),
    ("blockstore", &["base", "block", "catalog", "model", "objstore"]),
    ("tsdb", &["base", "model"]),
    ("cluster", &["base", "wal"]),
    (
        "ingester",
        &[
            "base",
            "block",
            "blockstore",
            "catalog",
            "cluster",
            "discovery",
            "model",
            "objstore",
            "proto",
            "service",
            "wal",
        ],
    ),
    ("querier", &["base", "catalog", "discovery", "model", "promql", "proto", "service", "tsdb"]),
    ("store-gateway", &["base", "block", "blockstore", "catalog", "model", "objstore", "proto", "service"]),
    ("compactor", &["base", "block", "blockstore", "catalog", "model", "objstore", "proto", "service"]),
];

/// Crates from outside that only the named crates of ours may use.
const KEPT_INSIDE: &[(&str, &[&str])] = &[
    ("openraft", &["cluster"]),
    ("object_store", &["objstore"]),
    ("hickory-resolver", &["discovery"]),
    ("hickory-proto", &["testkit"]),
    ("foyer", &["store-gateway"]),
    ("parquet", &["block"]),
    ("arrow", &["block"]),
    ("bcrypt", &["auth"]),
    ("jsonwebtoken", &["auth"]),
    // In the parser's tests alone.
    ("promql-parser", &[]),
    ("datafusion", &["sql"]),
    ("anyhow", &["latewood"]),
];

#[test]
fn crates_use_only_what_their_layer_may() {
    let mut broken = Vec::new();
    for (name, uses) in dependencies() {
        let own: BTreeSet<&str> = uses.iter().filter_map(|used| used.strip_prefix("latewood-")).collect();
        let outside = uses.iter().filter(|used| !used.starts_with("latewood-"));
        if let Some((_, may)) = MAY_USE.iter().find(|(crate_name, _)| *crate_name == name) {
            broken.extend(
                own.iter().filter(|used| !may.contains(*used)).map(|used| format!("{name} uses {used}")),
            );
        } else if !["latewood", "testkit"].contains(&name.as_str()) {
            broken.push(format!("{name} has no layer: name it here and in ARCHITECTURE.md"));
        }
        for used in outside {
            let keeper = KEPT_INSIDE.iter().find(|(kept, _)| kept == used);
            if keeper.is_some_and(|(_, users)| !users.contains(&name.as_str())) {
                broken.push(format!("{name} uses {used}"));
            }
        }
    }
    assert!(broken.is_empty(), "layers are broken: {broken:#?}");
}

/// The normal dependencies of each crate of the workspace; our own without `latewood-` as keys.
fn dependencies() -> BTreeMap<String, Vec<String>> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version", "1", "--offline"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let uses = |package: &serde_json::Value| {
        let listed = package["dependencies"].as_array().unwrap();
        listed.iter().filter(|used| used["kind"].is_null()).map(|used| text(&used["name"])).collect()
    };
    packages
        .iter()
        .map(|package| (text(&package["name"]).trim_start_matches("latewood-").to_owned(), uses(package)))
        .collect()
}
