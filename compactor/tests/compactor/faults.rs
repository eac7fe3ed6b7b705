//! A compactor that is killed at any request, and a bucket that fails, hangs and loses replies.

use latewood_model::{Labels, Resolution, SeriesSamples, StartTimestamps, TimeRange};
use latewood_testkit::{Chances, Fault, FaultyBucket, Gate, Operation, Rule};

use crate::world::{HOUR, World};

/// Some series of a shard over some hours.
fn shard(number: i64, from_hours: i64, hours: i64) -> Vec<SeriesSamples> {
    let series = |pod: i64| SeriesSamples {
        labels: Labels::from_pairs([("__name__", "up"), ("pod", &format!("{number}-{pod}"))]),
        timestamps: (0..hours * 60).map(|at| from_hours * HOUR + at * 60_000).collect(),
        values: (0..hours * 60).map(|at| (at * (pod + 1)) as f64).collect(),
        starts: StartTimestamps::none(),
        histograms: Vec::new(),
    };
    (0..3).map(series).collect()
}

/// Two shards of half a day, one of them late, and a deletion.
async fn half_a_day() -> World {
    let mut world = World::new(7, 30);
    for from in [0, 2, 4] {
        for number in 0..2 {
            world.flush(shard(number, from, 2)).await;
        }
    }
    world.flush(shard(0, 1, 9)).await;
    world.delete("pod", "1-1", TimeRange::new(HOUR, 3 * HOUR)).await;
    world
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_compactor_killed_at_any_request_loses_nothing_and_its_successor_goes_on() {
    let mut at = 0;
    loop {
        let world = half_a_day().await;
        let before = world.answers().await;
        let gate = Gate::closed();
        world.bucket.add(Rule::new(Fault::Hold(gate.clone())).skip(at).times(1));
        let compactor = world.compactor();
        let killed = tokio::select! {
            biased;
            () = gate.reached(1) => true,
            () = compactor.compact_once() => false,
        };
        drop(compactor);
        world.bucket.heal();
        assert_eq!(world.answers().await, before, "killed at request {at}");
        // The leases of the dead run out.
        world.hand.advance(std::time::Duration::from_secs(1_000));
        world.compactor().compact_once().await;
        assert_eq!(world.answers().await, before, "after request {at}");
        let view = world.view().await;
        assert!(view.blocks.values().all(|block| block.window.is_some()), "all is aligned");
        assert!(view.tombstones.is_empty(), "the deletion was applied");
        if !killed {
            assert!(at > 50, "only {at} requests");
            return;
        }
        at += 1;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bucket_that_fails_and_loses_replies_costs_time_and_nothing_else() {
    for seed in 0..10 {
        let mut world = half_a_day().await;
        let before = world.answers().await;
        let healthy = std::sync::Arc::clone(&world.bucket);
        let chances = Chances { before: 0.05, after: 0.05, read_factor: 0.3 };
        for round in 0..5 {
            world.bucket = FaultyBucket::seeded(healthy.clone(), seed * 10 + round, chances);
            world.compactor().compact_once().await;
            world.bucket = std::sync::Arc::clone(&healthy);
            assert_eq!(world.answers().await, before, "seed {seed}");
            world.hand.advance(std::time::Duration::from_secs(1_000));
        }
        world.compactor().compact_once().await;
        assert_eq!(world.answers().await, before, "seed {seed}");
        assert!(world.view().await.blocks.values().all(|block| block.window.is_some()));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_compactors_do_no_work_twice_and_a_deletion_meanwhile_is_not_lost() {
    let mut world = half_a_day().await;
    let gate = Gate::closed();
    // The first waits before its commit.
    world.bucket.add(Rule::new(Fault::Hold(gate.clone())).on(Operation::Create).key("catalog/0").times(1));
    let first = world.compactor();
    let running = tokio::spawn(async move { first.compact_once().await });
    gate.reached(1).await;
    let puts = || world.bucket.requests().iter().filter(|(kind, _)| *kind == Operation::PutFile).count();
    let before = puts();
    world.compactor().compact_once().await;
    assert_eq!(puts(), before, "the job is leased");
    world.delete("pod", "0-0", TimeRange::ALL).await;
    let answers = world.answers().await;
    assert!(!answers.keys().any(|labels| labels.contains("0-0")));
    gate.open();
    running.await.unwrap();
    world.compactor().compact_once().await;
    assert_eq!(world.answers().await, answers);
    assert!(world.view().await.tombstones.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_compactors_that_make_the_same_rollups_leave_one_of_each() {
    let mut world = World::new(8, 50);
    world.flush(shard(0, 1, 20)).await;
    let gate = Gate::closed();
    // The first has aligned the block, and waits before it commits the rollups, for longer than its lease lasts.
    let commits = Rule::new(Fault::Hold(gate.clone())).on(Operation::Create).key("catalog/0");
    world.bucket.add(commits.skip(1).times(1));
    let first = world.compactor();
    let running = tokio::spawn(async move { first.compact_once().await });
    gate.reached(1).await;
    world.hand.advance(std::time::Duration::from_secs(1_000));
    world.compactor().compact_once().await;
    gate.open();
    running.await.unwrap();
    let view = world.view().await;
    for resolution in Resolution::ALL {
        let blocks = view.blocks.values().filter(|block| block.resolution == resolution);
        assert_eq!(blocks.count(), 1, "{resolution}");
    }
}
