//! A node that hangs, is slow, has a full disk or a wrong clock.

use std::time::Duration;

use crate::cluster::ring;
use crate::cluster::world::World;

async fn stop(world: &mut World, node: usize) {
    world.cluster.pause(node, true);
    world.wait(10, 20).await;
    world.cluster.pause(node, false);
    world.load.advance(10).await;
}

/// SIGSTOP and SIGCONT: it believes that it leads when it wakes.
pub async fn stop_and_continue(world: &mut World) {
    let node = ring::leader(&world.cluster).await;
    stop(world, node).await;
}

pub async fn stop_a_follower(world: &mut World) {
    let node = ring::follower(&world.cluster).await;
    stop(world, node).await;
}

/// A node that runs for less than half of the time, in place of a slow disk.
pub async fn pulses(world: &mut World) {
    let node = ring::leader(&world.cluster).await;
    for _ in 0..30 {
        world.cluster.pause(node, true);
        tokio::time::sleep(Duration::from_millis(100 + world.rng.below(500))).await;
        world.cluster.pause(node, false);
        tokio::time::sleep(Duration::from_millis(50 + world.rng.below(300))).await;
    }
}

/// To the last byte: the journal waits for room, the others go on, and the node with them when there is some.
pub async fn full_disk(world: &mut World) {
    world.cluster.fill_disk(Some(0));
    world.load.advance(20).await;
    world.wait(5, 15).await;
    world.cluster.fill_disk(None);
    world.load.advance(10).await;
    world.cluster.ready(0).await;
}

/// So that less is free than is to be: others lead what the node led, and writes go on.
pub async fn nearly_full_disk(world: &mut World) {
    world.cluster.fill_disk(Some(14));
    ring::leads_nothing(&world.cluster, 0).await;
    world.load.advance(20).await;
    world.wait(5, 15).await;
    world.cluster.fill_disk(None);
    world.load.advance(10).await;
}

/// One node's clock goes an hour ahead, then back, then eight minutes back. Further back it refuses samples for good
/// (`max_future_seconds`).
pub async fn clock_jumps(world: &mut World) {
    for offset in ["+3600", "+0", "-480", "+0"] {
        world.cluster.set_clock(offset);
        world.wait(3, 6).await;
        world.load.advance(10).await;
    }
}
