//! The replicas of a shard in a simulated world: journal, openraft, head, flush and catalog as they are shipped, on one
//! thread, with a clock that jumps, and disks, wires and a bucket that fail, all of it by a seed. The same seed is the same run.

#![allow(clippy::unwrap_used, reason = "a simulation that cannot go on panics")]

mod bucket;
mod ending;
mod enemy;
mod history;
mod leaderless;
mod node;
mod reading;
mod samples;
mod world;

use history::Outcome;
use world::{Fault, run};

/// `LATEWOOD_SHARD_SEEDS` sets another number of seeds, `LATEWOOD_SHARD_FIRST` the first one.
fn seeds() -> std::ops::Range<u64> {
    let number = |name: &str, or: u64| std::env::var(name).map_or(or, |text| text.parse().unwrap());
    let first = number("LATEWOOD_SHARD_FIRST", 0);
    first..first + number("LATEWOOD_SHARD_SEEDS", 100)
}

#[test]
fn each_sample_that_was_acknowledged_is_seen_once_in_heads_and_blocks() {
    let (mut acknowledged, mut reads, mut blocks) = (0, 0, 0);
    for seed in seeds() {
        let outcome = run(seed, None);
        assert!(outcome.violations.is_empty(), "seed {seed}: {:#?}", outcome.violations);
        acknowledged += outcome.acknowledged;
        reads += outcome.reads;
        blocks += outcome.blocks;
    }
    let count = seeds().count();
    println!("{count} seeds: {acknowledged} acknowledged, {reads} reads, {blocks} blocks");
    let does_much = acknowledged > 50 * count && reads > 10 * count && blocks > 3 * count;
    assert!(does_much || count < 50, "the simulation does next to nothing");
}

#[test]
fn the_same_seed_is_the_same_run() {
    for seed in 0..3 {
        let (first, second): (Outcome, Outcome) = (run(seed, None), run(seed, None));
        assert_eq!(first, second, "seed {seed}");
    }
    assert_ne!(run(1, None).trace, run(2, None).trace);
}

#[test]
fn faults_that_are_planted_are_found() {
    for fault in Fault::ALL {
        let violations = |seed: &u64| run(*seed, Some(fault)).violations.into_iter().next();
        let found = (0..1_000).find_map(|seed| Some((seed, violations(&seed)?)));
        let (seed, violation) = found.unwrap_or_else(|| panic!("{fault:?} was not found in 1000 seeds"));
        println!("{fault:?} is found with seed {seed}: {violation}");
    }
}
