//! kill -9.

use crate::cluster::ring;
use crate::cluster::world::World;

/// Of one node: writes go on without it, and it comes back.
async fn kill(world: &mut World, node: usize) {
    world.cluster.kill(node);
    world.load.advance(20).await;
    world.wait(1, 6).await;
    world.cluster.start_node(node).await;
}

pub async fn kill_leader(world: &mut World) {
    let node = ring::leader(&world.cluster).await;
    kill(world, node).await;
}

pub async fn kill_follower(world: &mut World) {
    let node = ring::follower(&world.cluster).await;
    kill(world, node).await;
}

pub async fn kill_control_leader(world: &mut World) {
    let node = ring::control_leader(&world.cluster).await;
    kill(world, node).await;
}

/// All at once.
pub async fn kill_all(world: &mut World) {
    let nodes = world.cluster.running();
    nodes.iter().for_each(|&node| world.cluster.kill(node));
    world.wait(0, 3).await;
    nodes.iter().for_each(|&node| world.cluster.spawn(node));
    for node in nodes {
        world.cluster.ready(node).await;
    }
}

/// One after another, each while the one before comes back.
pub async fn kill_again_and_again(world: &mut World) {
    for _ in 0..5 {
        let running = world.cluster.running();
        let node = running[usize::try_from(world.rng.below(running.len() as u64)).unwrap()];
        world.cluster.kill(node);
        world.wait(0, 3).await;
        world.cluster.spawn(node);
        world.wait(0, 4).await;
    }
}

/// Of many kinds, with no time to heal between them.
pub async fn mixed(world: &mut World) {
    for _ in 0..4 {
        match world.rng.below(5) {
            0 => kill_leader(world).await,
            1 => super::nodes::stop_and_continue(world).await,
            2 => super::parts::partition_leader(world).await,
            3 => super::members::rolling_restart(world).await,
            _ => super::parts::partition_of_two(world).await,
        }
    }
}
