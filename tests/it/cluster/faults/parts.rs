//! Networks that come apart.

use std::time::Duration;

use crate::cluster::ring;
use crate::cluster::world::World;

async fn cut(world: &mut World, nodes: &[usize]) {
    world.cluster.network().bridge().cut(nodes);
    world.load.advance(20).await;
    world.wait(5, 15).await;
    world.cluster.network().bridge().heal();
    world.load.advance(10).await;
}

/// From everybody, clients too; packets are lost.
pub async fn partition_leader(world: &mut World) {
    let node = ring::leader(&world.cluster).await;
    cut(world, &[node]).await;
}

pub async fn partition_follower(world: &mut World) {
    let node = ring::follower(&world.cluster).await;
    cut(world, &[node]).await;
}

/// Two nodes of a cluster of five, which are one zone.
pub async fn partition_zone(world: &mut World) {
    cut(world, &[0, 3]).await;
}

/// Two nodes do not hear each other, and a third hears both.
pub async fn partition_of_two(world: &mut World) {
    let (one, other) = (ring::leader(&world.cluster).await, ring::follower(&world.cluster).await);
    world.cluster.network().bridge().part(Some(one), Some(other));
    world.load.advance(20).await;
    world.wait(5, 15).await;
    world.cluster.network().bridge().heal();
    world.load.advance(10).await;
}

/// A leader is heard by the other nodes, and hears nothing of them.
pub async fn one_way(world: &mut World) {
    let node = ring::leader(&world.cluster).await;
    for other in world.cluster.running().into_iter().filter(|other| *other != node) {
        world.cluster.network().bridge().lose(Some(other), Some(node));
    }
    world.load.advance(20).await;
    world.wait(5, 15).await;
    world.cluster.network().bridge().heal();
    world.load.advance(10).await;
}

/// The link of a leader is pulled out: its own side knows.
pub async fn link_of_leader(world: &mut World) {
    let node = ring::leader(&world.cluster).await;
    world.cluster.network().bridge().link(node, false);
    world.load.advance(20).await;
    world.wait(5, 15).await;
    world.cluster.network().bridge().link(node, true);
    world.load.advance(10).await;
}

/// A leader's network comes and goes.
pub async fn flapping(world: &mut World) {
    let node = ring::leader(&world.cluster).await;
    for _ in 0..8 {
        world.cluster.network().bridge().cut(&[node]);
        tokio::time::sleep(Duration::from_millis(500 + world.rng.below(2500))).await;
        world.cluster.network().bridge().heal();
        tokio::time::sleep(Duration::from_millis(200 + world.rng.below(2000))).await;
    }
    world.load.advance(10).await;
}
