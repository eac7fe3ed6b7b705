//! Nodes that go on purpose, that are replaced, that come.

use std::time::Duration;

use tokio::time::Instant;

use crate::cluster::ring;
use crate::cluster::world::World;

/// How long a node may take to give all away.
const DRAINING: Duration = Duration::from_secs(90);

/// SIGTERM one by one; each is ready before the next goes.
pub async fn rolling_restart(world: &mut World) {
    for node in world.cluster.running() {
        world.cluster.stop(node);
        world.cluster.start_node(node).await;
        world.load.advance(5).await;
    }
}

/// Asks a node to give its shards away, and waits until it says that it is safe to stop.
async fn drain(world: &mut World, node: usize) {
    let (url, client) =
        (format!("{}/ingester/prepare-shutdown", world.cluster.url(node)), reqwest::Client::new());
    let begun = Instant::now();
    loop {
        let answer = client.post(&url).send().await.unwrap();
        if answer.status().is_success() {
            break;
        }
        assert!(
            begun.elapsed() < DRAINING,
            "node {node} cannot be drained: {}",
            answer.text().await.unwrap()
        );
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    loop {
        let state = client.get(&url).send().await.unwrap().text().await.unwrap();
        if state.contains("safe to stop") {
            break;
        }
        assert!(begun.elapsed() < DRAINING, "node {node} is not drained: {state}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    world.cluster.stop(node);
    world.cluster.wipe(node);
}

/// A fourth node comes, and one that leads goes for good.
pub async fn drain_and_replace(world: &mut World) {
    let node = ring::leader(&world.cluster).await;
    let new = (0..).find(|node| !world.cluster.running().contains(node)).unwrap();
    world.cluster.start_node(new).await;
    drain(world, node).await;
    world.load.advance(10).await;
}

/// A node dies for good, and a new one takes its place.
pub async fn replace_the_dead(world: &mut World) {
    let node = ring::leader(&world.cluster).await;
    world.cluster.kill(node);
    world.cluster.wipe(node);
    world.load.advance(10).await;
    world.wait(0, 8).await;
    let new = (0..).find(|other| *other != node && !world.cluster.running().contains(other)).unwrap();
    world.cluster.start_node(new).await;
    world.wait(10, 12).await;
}

/// The same at the same address: it comes back with an empty disk.
pub async fn lose_the_disk(world: &mut World) {
    let node = ring::leader(&world.cluster).await;
    world.cluster.kill(node);
    world.cluster.wipe(node);
    world.load.advance(10).await;
    world.cluster.start_node(node).await;
    world.wait(10, 12).await;
}

/// Three nodes become five, and three again: two of the first three go.
pub async fn grow_and_shrink(world: &mut World) {
    for new in [3, 4] {
        world.cluster.start_node(new).await;
    }
    world.heal().await;
    for node in [0, 1] {
        drain(world, node).await;
        world.load.advance(10).await;
    }
}
