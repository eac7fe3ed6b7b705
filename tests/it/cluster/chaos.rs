//! The tests.

use super::faults::{self, SHORT};
use super::nodes::Shape;
use super::runs::{self, Log};
use super::world::World;

/// With `LATEWOOD_CLUSTER_RUNS=20`, twenty runs of each scenario (or of those whose names have what
/// `LATEWOOD_CLUSTER_SCENARIOS` says), but for those that the log has; without it, a few faults on one cluster.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_acknowledged_sample_is_lost_and_none_is_there_twice() {
    match std::env::var("LATEWOOD_CLUSTER_RUNS") {
        Ok(runs) => many(runs.parse().unwrap()).await,
        Err(_) => few().await,
    }
}

async fn few() {
    let folder = tempfile::tempdir().unwrap();
    let mut world = World::start(Shape::BRIDGED, folder.path(), 1).await;
    for (name, fault) in SHORT {
        world.load.forget_pauses();
        fault(&mut world).await;
        let healing = world.heal().await;
        println!("{name}: writes paused for {:?}, whole after {healing:?}", world.load.longest_pauses());
    }
    let measured = world.finish().await;
    println!("{measured:?}");
}

async fn many(runs: u64) {
    let (log, mut failed) = (Log::find(), 0);
    let only = std::env::var("LATEWOOD_CLUSTER_SCENARIOS").unwrap_or_default();
    let scenarios = faults::all();
    for seed in 0..runs {
        for scenario in scenarios.iter().filter(|scenario| scenario.name.contains(&only)) {
            if !log.has(scenario.name, seed) && !runs::run(&log, scenario, seed).await {
                failed += 1;
            }
        }
    }
    assert_eq!(failed, 0, "runs failed: see the log");
}
