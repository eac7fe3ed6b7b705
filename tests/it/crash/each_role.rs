//! kill -9 of each process of a deployment in separate roles, in turn, while others write and ask.

use std::fs;
use std::path::Path;
use std::time::Duration;

use latewood_base::Rng;
use tokio::task::{JoinHandle, block_in_place};

use super::check::check;
use super::load::{Load, Reader, Seen};
use super::power_cut::pull_the_plug;
use crate::harness::{Deployment, Layout, Peers};

/// How often each process is killed: `LATEWOOD_ROLE_CRASHES` sets another number.
fn rounds() -> usize {
    std::env::var("LATEWOOD_ROLE_CRASHES").map_or(1, |number| number.parse().unwrap())
}

/// Flushed generations are forgotten soon, so that views which are too old are met; checkpoints are many, and garbage is
/// looked for all the time.
const CONFIG: &str = "
ingester: {journal: {record_synced_offsets: true}, flush: {linger_seconds: 1}}
catalog: {checkpoint_interval: 3}
compactor: {cleanup_interval_seconds: 1}
";

async fn deployment(peers: &Peers, folder: &Path) -> Deployment {
    let config = folder.join("latewood.yaml");
    fs::write(&config, CONFIG).unwrap();
    let config = format!("--config={}", config.display());
    let flags = [&config, "--enable-feature=promql-experimental-functions,use-start-timestamps"];
    Deployment::on_s3(Layout::Roles, peers, folder, &flags).await
}

/// A flush that may be cut off at any moment.
fn flush(deployment: &Deployment) -> JoinHandle<()> {
    let url = format!("{}/api/v1/admin/flush?wait=true", deployment.write_url());
    tokio::spawn(async move { reqwest::Client::new().post(url).send().await.map_or((), drop) })
}

/// What a reader sees while a process is away.
fn while_away(name: &str, is_its_reader: bool) -> fn(&Seen) -> u64 {
    match name {
        _ if is_its_reader => |seen| seen.unanswered,
        "ingester" => |seen| seen.incomplete,
        _ => |seen| seen.complete,
    }
}

/// Kills a process and brings it back.
async fn strike(deployment: &mut Deployment, name: &str, load: &Load, rng: &Rng) {
    let url = deployment.url_of(name);
    load.each_sees(|_| |seen| seen.complete).await;
    let flushing = flush(deployment);
    // The moment of the kill is what the test is about: any moment will do.
    tokio::time::sleep(Duration::from_millis(rng.below(700))).await;
    let before: Vec<Seen> = load.readers.iter().map(Reader::seen).collect();
    deployment.kill(name);
    if name == "ingester" {
        pull_the_plug(&deployment.data_of(name).join("journal"), rng);
    }
    load.each_sees(|reader| while_away(name, reader.url == url)).await;
    block_in_place(|| deployment.start_all());
    flushing.await.unwrap();
    load.steps.advance().await;
    load.each_sees(|_| |seen| seen.complete).await;
    for (reader, before) in load.readers.iter().zip(before) {
        reader.ask_for_all().await;
        let (after, acknowledged) = (reader.seen(), load.steps.acknowledged());
        println!("{name} was killed, {acknowledged} steps: {} saw {before:?}, then {after:?}", reader.url);
        if name != "ingester" && reader.url != url {
            let lacking = |seen: Seen| (seen.incomplete, seen.unanswered);
            assert_eq!(lacking(after), lacking(before), "{} while {name} was away", reader.url);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_others_go_on_and_nothing_is_lost_nor_there_twice() {
    let Some(peers) = Peers::find() else { return };
    let (folder, rng) = (tempfile::tempdir().unwrap(), Rng::seeded(20_260_102));
    let mut deployment = deployment(&peers, folder.path()).await;
    let load = Load::on(&deployment, &rng);
    for _ in 0..rounds() {
        // The ingester last: by then some of what it wrote lies in blocks.
        for name in deployment.names().into_iter().rev() {
            strike(&mut deployment, name, &load, &rng).await;
        }
    }
    let acknowledged = load.stop().await.acknowledged();
    for when in ["after the last kill", "after a flush"] {
        for url in deployment.query_urls() {
            check(&url, acknowledged, when).await;
        }
        deployment.flush().await;
    }
    deployment.stop_all();
}
