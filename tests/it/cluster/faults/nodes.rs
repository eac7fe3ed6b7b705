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

/// To the last byte: the journal cannot write.
pub async fn full_disk(world: &mut World) {
    world.cluster.fill_disk(true);
    world.load.advance(20).await;
    world.wait(5, 15).await;
    world.cluster.fill_disk(false);
    // A node may end when its journal fails, and is started again.
    world.wait(3, 5).await;
    if world.cluster.has_ended(0) {
        world.cluster.start_node(0).await;
    }
}

/// So that less is free than is to be.
pub async fn nearly_full_disk(world: &mut World) {
    full_disk(world).await;
}

/// One node's clock goes an hour ahead, then back, then a day back.
pub async fn clock_jumps(world: &mut World) {
    for offset in ["+3600", "+0", "-86400", "+0"] {
        world.cluster.set_clock(offset);
        world.wait(3, 6).await;
        world.load.advance(10).await;
    }
}
