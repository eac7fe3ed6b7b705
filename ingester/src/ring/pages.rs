//! `/ingester/ring` and `/cluster`: who has which shards, and how they stand, as JSON and as a plain page.

use std::collections::BTreeMap;

use axum::Json;
use axum::Router;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use latewood_cluster::{GroupStatus, Member, ShardView};
use latewood_service::wants_json;
use serde::Serialize;

use super::{Control, ControlGroup};
use crate::shards::Shards;

/// What the pages look at.
#[derive(Clone, Debug)]
struct Sources {
    control: ControlGroup,
    shards: Shards,
}

/// Both pages; `Accept: application/json` asks for JSON.
pub(crate) fn routes(control: ControlGroup, shards: Shards) -> Router {
    let sources = Sources { control, shards };
    Router::new().route("/ingester/ring", get(ring)).route("/cluster", get(cluster)).with_state(sources)
}

/// A node's number as it is shown everywhere.
fn shown(node: u64) -> String {
    format!("{node:016x}")
}

/// The shards as a node of the cluster sees them.
#[derive(Debug, Serialize)]
struct Ring {
    cluster: String,
    generation: u64,
    replication_factor: usize,
    /// The node that answers: it knows leader, term, log and lag of its own replicas alone.
    node: String,
    shards: Vec<ShardRow>,
}

#[derive(Debug, Serialize)]
struct ShardRow {
    place: usize,
    number: u32,
    replicas: Vec<String>,
    voters: Vec<String>,
    zones: Vec<String>,
    wanted_leader: Option<String>,
    #[serde(flatten)]
    here: Option<Replica>,
}

/// A replica of the node that answers.
#[derive(Debug, Serialize)]
struct Replica {
    role: String,
    leader: Option<String>,
    term: u64,
    last_entry: Option<u64>,
    applied: Option<u64>,
    /// Entries that other replicas lack, as their leader knows.
    lag: BTreeMap<String, u64>,
}

impl From<GroupStatus> for Replica {
    fn from(status: GroupStatus) -> Self {
        let last = status.last.map_or(0, |last| last + 1);
        let lacks = |has: Option<u64>| last.saturating_sub(has.map_or(0, |has| has + 1));
        Self {
            role: format!("{:?}", status.role).to_lowercase(),
            leader: status.leader.map(shown),
            term: status.term,
            last_entry: status.last,
            applied: status.applied,
            lag: status.replicated.into_iter().map(|(node, has)| (shown(node), lacks(has))).collect(),
        }
    }
}

async fn ring(State(Sources { control, shards }): State<Sources>, headers: HeaderMap) -> Response {
    let view = control.view();
    let row = |(place, shard): (usize, &ShardView)| {
        let zone = |node: &u64| view.members.get(node).map(|member| member.zone.clone());
        let here = u32::try_from(place).ok().and_then(|place| shards.get(place));
        ShardRow {
            place,
            number: shard.number,
            replicas: shard.replicas.iter().copied().map(shown).collect(),
            voters: shard.voters.iter().copied().map(shown).collect(),
            zones: shard.replicas.iter().filter_map(zone).collect(),
            wanted_leader: shard.leader.map(shown),
            here: here.map(|shard| shard.group().status().into()),
        }
    };
    let ring = Ring {
        cluster: view.cluster.to_string(),
        generation: view.generation,
        replication_factor: view.replication_factor,
        node: shown(control.node()),
        shards: view.shards.iter().enumerate().map(row).collect(),
    };
    if wants_json(&headers) {
        return Json(ring).into_response();
    }
    let cells = |row: &ShardRow| {
        let here = row.here.as_ref();
        vec![
            row.place.to_string(),
            row.number.to_string(),
            row.replicas.join(" "),
            row.voters.join(" "),
            row.zones.join(" "),
            row.wanted_leader.clone().unwrap_or_default(),
            here.and_then(|here| here.leader.clone()).unwrap_or_default(),
            here.map(|here| here.role.clone()).unwrap_or_default(),
            here.map(|here| here.term.to_string()).unwrap_or_default(),
            here.and_then(|here| here.applied).map(|at| at.to_string()).unwrap_or_default(),
            here.map(|here| here.lag.values().max().copied().unwrap_or(0).to_string()).unwrap_or_default(),
        ]
    };
    let columns = [
        "Place",
        "Number",
        "Replicas",
        "Voters",
        "Zones",
        "Wanted leader",
        "Leader",
        "Role here",
        "Term",
        "Applied",
        "Lag",
    ];
    page(&format!("Shards of cluster {}", ring.cluster), &columns, ring.shards.iter().map(cells))
}

/// The nodes as one of them sees them.
#[derive(Debug, Serialize)]
struct Nodes {
    cluster: String,
    generation: u64,
    /// The node that answers; that which leads the control group knows who was heard of.
    node: String,
    control_leader: Option<String>,
    members: Vec<MemberRow>,
}

#[derive(Debug, Serialize)]
struct MemberRow {
    node: String,
    #[serde(flatten)]
    member: Member,
    shards: usize,
    votes: bool,
    heard_ms_ago: Option<u64>,
}

async fn cluster(State(Sources { control, .. }): State<Sources>, headers: HeaderMap) -> Response {
    let (view, status) = (control.view(), control.group().status());
    let heard = |node: &u64| status.heard.get(node).copied().flatten();
    let row = |(node, member): (&u64, &Member)| MemberRow {
        node: shown(*node),
        member: member.clone(),
        shards: view.shards_of(*node),
        votes: status.voters.iter().any(|voter| voter.id == *node),
        heard_ms_ago: heard(node).map(|ago| u64::try_from(ago.as_millis()).unwrap_or(u64::MAX)),
    };
    let nodes = Nodes {
        cluster: view.cluster.to_string(),
        generation: view.generation,
        node: shown(control.node()),
        control_leader: status.leader.map(shown),
        members: view.members.iter().map(row).collect(),
    };
    if wants_json(&headers) {
        return Json(nodes).into_response();
    }
    let cells = |row: &MemberRow| {
        vec![
            row.node.clone(),
            row.member.address.clone(),
            row.member.zone.clone(),
            standing(&row.member),
            row.shards.to_string(),
            row.votes.to_string(),
            row.heard_ms_ago.map(|ago| format!("{ago} ms ago")).unwrap_or_default(),
        ]
    };
    let columns = ["Node", "Address", "Zone", "Status", "Shards", "Votes", "Heard"];
    page(&format!("Nodes of cluster {}", nodes.cluster), &columns, nodes.members.iter().map(cells))
}

/// What is wrong with a node, and whether it is to have shards.
fn standing(member: &Member) -> String {
    let status = format!("{:?}", member.status).to_lowercase();
    if member.low_on_disk { format!("{status}, low on disk") } else { status }
}

/// A table as a page.
fn page(title: &str, columns: &[&str], rows: impl Iterator<Item = Vec<String>>) -> Response {
    let cells = |tag: &str, texts: &mut dyn Iterator<Item = &str>| {
        let cells: String = texts.map(|text| format!("<{tag}>{}</{tag}>", escaped(text))).collect();
        format!("<tr>{cells}</tr>\n")
    };
    let head = cells("th", &mut columns.iter().copied());
    let body: String = rows.map(|row| cells("td", &mut row.iter().map(String::as_str))).collect();
    let title = escaped(title);
    Html(format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title></head>\n\
         <body><h1>{title}</h1>\n<table border=\"1\">\n{head}{body}</table>\n</body></html>\n"
    ))
    .into_response()
}

/// Addresses and zones are what operators made them.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_page_shows_texts_as_they_are() {
        let page = page("a & b", &["Zone"], [vec!["<script>".to_owned()]].into_iter());
        let body = axum::body::to_bytes(page.into_body(), 1 << 20).await.unwrap();
        let text = String::from_utf8(body.to_vec()).unwrap();
        assert!(
            text.contains("<td>&lt;script&gt;</td>") && text.contains("<title>a &amp; b</title>"),
            "{text}"
        );
    }
}
