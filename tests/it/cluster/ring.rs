//! What the nodes of a cluster say of it.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use super::nodes::Cluster;

/// How long the cluster may take to become whole after a fault.
const HEALING: Duration = Duration::from_secs(90);
const LOOK: Duration = Duration::from_millis(200);
/// Entries that a replica may lack while writes go on.
const NEARLY_NONE: u64 = 30;

/// One page of a node as JSON; none if it does not answer.
async fn page(cluster: &Cluster, node: usize, page: &str) -> Option<Value> {
    let request = reqwest::Client::new().get(format!("{}/{page}", cluster.url(node)));
    let request = request.header("Accept", "application/json").timeout(Duration::from_secs(2));
    request.send().await.ok()?.error_for_status().ok()?.json().await.ok()
}

fn list(value: &Value) -> BTreeSet<String> {
    value.as_array().into_iter().flatten().filter_map(|item| item.as_str().map(str::to_owned)).collect()
}

/// How many shards each running node leads.
pub async fn leads(cluster: &Cluster) -> Vec<(usize, usize)> {
    let mut leads = Vec::new();
    for node in cluster.running() {
        let ring = page(cluster, node, "ingester/ring").await.unwrap_or_default();
        let rows = ring["shards"].as_array().cloned().unwrap_or_default();
        leads.push((node, rows.iter().filter(|row| row["role"] == "leader").count()));
    }
    leads
}

/// The node that leads most shards.
pub async fn leader(cluster: &Cluster) -> usize {
    leads(cluster).await.into_iter().max_by_key(|(_, leads)| *leads).unwrap().0
}

/// The node that leads fewest.
pub async fn follower(cluster: &Cluster) -> usize {
    leads(cluster).await.into_iter().min_by_key(|(_, leads)| *leads).unwrap().0
}

/// Waits until a node leads no shard.
pub async fn leads_nothing(cluster: &Cluster, node: usize) {
    let begun = Instant::now();
    while leads(cluster).await.iter().any(|(other, leads)| *other == node && *leads > 0) {
        assert!(begun.elapsed() < HEALING, "node {node} leads on");
        tokio::time::sleep(LOOK).await;
    }
}

/// The node that leads the control group.
pub async fn control_leader(cluster: &Cluster) -> usize {
    for node in cluster.running() {
        let nodes = page(cluster, node, "cluster").await.unwrap_or_default();
        if nodes["control_leader"].is_string() && nodes["control_leader"] == nodes["node"] {
            return node;
        }
    }
    panic!("nobody leads the control group")
}

/// Waits until the running nodes are the cluster's members, and all shards are whole on them and led by whom the plan wants.
pub async fn settled(cluster: &Cluster) -> Duration {
    let begun = Instant::now();
    loop {
        let Err(problem) = whole(cluster).await else { return begun.elapsed() };
        assert!(begun.elapsed() < HEALING, "the cluster is not whole after {HEALING:?}: {problem}");
        tokio::time::sleep(LOOK).await;
    }
}

async fn whole(cluster: &Cluster) -> Result<(), String> {
    let (mut ids, mut rings) = (BTreeSet::new(), Vec::new());
    for node in cluster.running() {
        let ring = page(cluster, node, "ingester/ring").await.ok_or(format!("node {node} has no page"))?;
        ids.insert(ring["node"].as_str().unwrap_or_default().to_owned());
        rings.push(ring);
    }
    for node in cluster.running() {
        let nodes = page(cluster, node, "cluster").await.ok_or(format!("node {node} has no page"))?;
        let rows = nodes["members"].as_array().cloned().unwrap_or_default();
        let members: BTreeSet<String> =
            rows.iter().filter_map(|row| row["node"].as_str().map(str::to_owned)).collect();
        if members != ids || nodes["control_leader"].is_null() {
            return Err(format!("node {node} knows {nodes}, and there are {ids:?}"));
        }
    }
    let shards = rings[0]["shards"].as_array().map_or(0, Vec::len);
    (0..shards).try_for_each(|shard| shard_is_whole(shard, &rings, &ids))
}

fn shard_is_whole(shard: usize, rings: &[Value], ids: &BTreeSet<String>) -> Result<(), String> {
    let wrong = |what: &str| {
        Err(format!(
            "shard {shard} {what}: {:?}",
            rings.iter().map(|ring| &ring["shards"][shard]).collect::<Vec<_>>()
        ))
    };
    let mut leaders = 0;
    for ring in rings {
        let row = &ring["shards"][shard];
        let replicas = list(&row["replicas"]);
        if replicas.len() != 3 || !replicas.is_subset(ids) || list(&row["voters"]) != replicas {
            return wrong("has not its replicas");
        }
        if row["role"] == "leader" {
            leaders += 1;
            if row["wanted_leader"] != ring["node"] {
                return wrong("is led by another than is wanted");
            }
            let lag = row["lag"].as_object().into_iter().flatten();
            if lag.filter_map(|(_, lag)| lag.as_u64()).any(|lag| lag > NEARLY_NONE) {
                return wrong("has a replica that lacks much");
            }
        }
    }
    if leaders == 1 { Ok(()) } else { wrong("has not one leader") }
}
