//! What replication costs: three ingesters that replicate each other beside one that stands alone, and how soon a node that
//! was away has what it missed.

mod nodes;

use std::time::Duration;

use tokio::time::Instant;

use crate::load::Load;
use crate::median;
use crate::report::memory_bytes;
use nodes::Nodes;

/// How often it is looked whether a node has caught up.
const LOOK: Duration = Duration::from_millis(100);
/// For how long nodes have nothing to do.
const IDLE: Duration = Duration::from_secs(20);
/// Entries that a replica may lack and count as caught up.
const NEARLY_NONE: u64 = 2;
/// How long catching up may take.
const PATIENCE: Duration = Duration::from_secs(300);

/// Gives one node, and three, their turns, then lets one of the three miss a load; prints ratios and what it took.
pub async fn measure(rounds: usize, load: &Load, missed: &Load) {
    let folder = tempfile::tempdir().unwrap();
    let (one, three) = (folder.path().join("one"), folder.path().join("three"));
    let (one, mut three) = (Nodes::start(1, &one).await, Nodes::start(3, &three).await);
    three.settle(&[0, 1, 2]).await;
    idle(&three).await;
    let mut ratios = Vec::new();
    for round in 1..=rounds {
        let load = load.before(rounds - round);
        let (alone, replicated) = (cost(&one, &load).await, cost(&three, &load).await);
        eprintln!("round {round}: {alone:.3} µs a sample of one node, {replicated:.3} of three");
        ratios.push(replicated / alone);
    }
    let (least, most) =
        ratios.iter().fold((f64::MAX, f64::MIN), |(a, b), &ratio| (a.min(ratio), b.max(ratio)));
    println!(
        "| three replicas, CPU a sample with its flush | {:.2} times one ({least:.2} to {most:.2}) |",
        median(ratios)
    );
    drop(one);
    catch_up(&mut three, missed).await;
}

/// What nodes use that have nothing to do but to tell each other that they live.
async fn idle(nodes: &Nodes) {
    let before = nodes.cpu_seconds();
    tokio::time::sleep(IDLE).await;
    let share = (nodes.cpu_seconds() - before) / IDLE.as_secs_f64() / nodes.urls().len() as f64;
    println!("| a node of three with nothing to do | {:.1} % of a core |", share * 100.0);
}

/// CPU microseconds of all nodes for a sample, from the request to the bucket.
async fn cost(nodes: &Nodes, load: &Load) -> f64 {
    let before = nodes.cpu_seconds();
    let urls = nodes.urls();
    // Each node takes its part, as behind a balancer.
    let load = load.shared_by(urls.len());
    load.write_all(&urls);
    nodes.flush().await;
    (nodes.cpu_seconds() - before) * 1e6 / (load.total() * urls.len()) as f64
}

/// Kills a node, has the others take a load, starts it again, and waits until it lacks nothing.
async fn catch_up(nodes: &mut Nodes, missed: &Load) {
    let others = [0, 1];
    nodes.kill(2);
    nodes.settle(&others).await;
    let urls = nodes.urls();
    let load = missed.shared_by(others.len());
    load.write_all(&urls[..others.len()]);
    let begun = Instant::now();
    nodes.spawn(2);
    nodes.ready(2).await;
    let ready = begun.elapsed();
    while nodes.lag(&others).await > NEARLY_NONE {
        assert!(begun.elapsed() < PATIENCE, "it does not catch up");
        tokio::time::sleep(LOOK).await;
    }
    let peak = memory_bytes(nodes.pid(2), "VmHWM").unwrap();
    println!(
        "| {:.1} M samples missed: ready, whole, peak memory | {:.1} s, {:.1} s, {} MB |",
        (load.total() * others.len()) as f64 / 1e6,
        ready.as_secs_f64(),
        begun.elapsed().as_secs_f64(),
        peak / 1_000_000
    );
}
