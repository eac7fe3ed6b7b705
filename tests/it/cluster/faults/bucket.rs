//! A bucket that is away for a while.

use crate::cluster::world::World;

/// Longer than generations wait to be frozen: nothing can be uploaded, and writes go on.
pub async fn bucket_away(world: &mut World) {
    world.cluster.take_bucket(true);
    world.load.advance(20).await;
    world.wait(15, 25).await;
    world.load.advance(10).await;
    world.cluster.take_bucket(false);
}
