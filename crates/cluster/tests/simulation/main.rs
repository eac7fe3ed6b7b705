//! Groups, their journals and openraft in a simulated world: one thread, a clock that jumps, disks and wires that fail,
//! all of it by a seed. The same seed is the same run.

#![allow(clippy::unwrap_used, reason = "a simulation that cannot go on panics")]

mod history;
mod node;
mod register;
mod world;

use world::{Fault, Outcome, run};

/// `LATEWOOD_GROUP_SEEDS` sets another number of seeds, `LATEWOOD_GROUP_FIRST` the first one.
fn seeds() -> std::ops::Range<u64> {
    let number = |name: &str, or: u64| std::env::var(name).map_or(or, |text| text.parse().unwrap());
    let first = number("LATEWOOD_GROUP_FIRST", 0);
    first..first + number("LATEWOOD_GROUP_SEEDS", 100)
}

#[test]
fn nothing_that_was_acknowledged_is_lost_and_all_replicas_agree() {
    let (mut acknowledged, mut reads) = (0, 0);
    for seed in seeds() {
        let outcome = run(seed, None);
        assert!(outcome.violations.is_empty(), "seed {seed}: {:#?}", outcome.violations);
        acknowledged += outcome.acknowledged;
        reads += outcome.reads;
    }
    let count = seeds().count();
    println!("{count} seeds: {acknowledged} acknowledged, {reads} reads");
    let does_much = acknowledged > 20 * count && reads > 5 * count;
    assert!(does_much || count < 100, "the simulation does next to nothing");
}

#[test]
fn the_same_seed_is_the_same_run() {
    for seed in 0..5 {
        let (first, second): (Outcome, Outcome) = (run(seed, None), run(seed, None));
        assert_eq!(first, second, "seed {seed}");
    }
    assert_ne!(run(1, None).trace, run(2, None).trace);
}

#[test]
fn faults_that_are_planted_are_found() {
    for fault in Fault::ALL {
        let found = (0..1_000).find(|seed| !run(*seed, Some(fault)).violations.is_empty());
        assert!(found.is_some(), "{fault:?} was not found in 1000 seeds");
        println!("{fault:?} is found with seed {}", found.unwrap());
    }
}
