//! A shard that nobody leads is answered by what is left of it, and the answer says so.

use latewood_proto::store::Leaderless;
use tokio::time::Instant;

use super::*;

/// A replica that is so far, and heard a leader so many seconds ago.
fn at(term: u64, index: u64, seconds: Option<u64>) -> Leaderless {
    Leaderless { term, index, silent: seconds.map(Duration::from_secs) }
}

/// Three nodes, of which the leader of shard 2 has gone, and what the others have of it.
fn bereft(left: &[(u64, Leaderless, &str)]) -> Cluster {
    let cluster = Cluster::of(1, 3);
    cluster.change(|state| {
        state.kill(2);
        let left = left.iter().map(|(node, at, name)| ((2, *node), (*at, vec![(*name).to_owned()])));
        state.left = left.collect();
    });
    cluster
}

const STALE: &str = "stale response: no ingester leads shards 2; ingester ";

#[tokio::test(start_paused = true)]
async fn the_replica_that_has_the_most_answers_and_the_answer_says_so() {
    let cluster = bereft(&[(1, at(3, 90, Some(42)), "s2a"), (3, at(4, 5, None), "s2b")]);
    let fanout = hasty(cluster.nodes());
    for partial in [false, true] {
        let (names, warnings) = read(&fanout, partial).await.unwrap();
        assert_eq!(names, ["s1a", "s1b", "s2b", "s3a", "s3b"]);
        let since = "3 answered for them from what it has, and it has heard none since its start: ";
        assert!(warnings.len() == 1 && warnings[0].starts_with(&format!("{STALE}{since}")), "{warnings:?}");
    }
    cluster.change(|state| state.left.get_mut(&(2, 3)).unwrap().0 = at(3, 89, None));
    let (names, warnings) = read(&fanout, false).await.unwrap();
    assert_eq!(names, ["s1a", "s1b", "s2a", "s3a", "s3b"]);
    assert!(warnings[0].contains("ingester 1 answered") && warnings[0].contains(" 42 s ago"), "{warnings:?}");
    assert_eq!(fanout.metrics.stale_answers.get(), 3);
    cluster.change(|state| state.elect(2, 3));
    assert_eq!(complete(&fanout).await, series_of(1..=3), "there is a leader again");
    assert_eq!(fanout.metrics.stale_answers.get(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_leader_is_waited_for_first() {
    let cluster = bereft(&[(1, at(3, 90, Some(1)), "old")]);
    cluster.change(|state| {
        let elected: cluster::Change = Box::new(|state| state.elect(2, 3));
        state.at_ring = Some((state.rings + 30, elected));
    });
    assert_eq!(complete(&patient(cluster.nodes())).await, series_of(1..=3));
    cluster.change(|state| state.led.remove(&2));
    let (fanout, begun) = (fanout_of(&Stores::new(cluster.nodes()), 5_000), Instant::now());
    read(&fanout, false).await.unwrap();
    assert!(begun.elapsed() >= Duration::from_secs(5), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn what_is_not_allowed_is_missing() {
    let cluster = bereft(&[(1, at(3, 90, Some(42)), "s2a")]);
    let fanout = Fanout { allow_stale_reads: false, ..hasty(cluster.nodes()) };
    let error = read(&fanout, false).await.unwrap_err();
    assert!(error.to_string().starts_with("shards 2: no ingester was found that leads them"), "{error}");
    let (names, warnings) = read(&fanout, true).await.unwrap();
    assert_eq!((names, warnings.len()), (series_of([1, 3]), 1));
    assert!(fanout.log_deletion("team", &[]).await.is_err());
    assert!(hasty(cluster.nodes()).log_deletion("team", &[]).await.is_err(), "a deletion needs a leader");
}

#[tokio::test(start_paused = true)]
async fn the_next_one_is_asked_where_one_fails_and_none_is_missing() {
    for after in [None, Some(0), Some(1)] {
        let cluster = bereft(&[(1, at(3, 90, Some(42)), "s2a"), (3, at(3, 80, Some(7)), "s2b")]);
        let dies: cluster::Change = Box::new(|state| state.kill(1));
        cluster.change(|state| {
            state.data.retain(|shard, _| *shard == 2);
            state.led.clear();
            match after {
                Some(after) => state.breaks = Some((after, dies)),
                None => state.failing = [1].into(),
            }
        });
        let (names, warnings) = read(&hasty(cluster.nodes()), false).await.unwrap();
        let expected = if after == Some(1) { &["s2a", "s2b"][..] } else { &["s2b"][..] };
        assert_eq!(names, expected, "after {after:?}");
        assert!(warnings.iter().all(|text| text.starts_with(STALE)), "{warnings:?}");
        assert!(warnings.iter().any(|text| text.contains("ingester 3")), "{warnings:?}");
    }
    let cluster = bereft(&[(1, at(3, 90, Some(42)), "s2a")]);
    cluster.change(|state| {
        state.elect(1, 3);
        state.failing = [1].into();
    });
    let error = read(&hasty(cluster.nodes()), false).await.unwrap_err().to_string();
    assert!(error.contains("shards 2") && error.contains("connection refused"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn listings_and_counts_go_the_same_way_and_spans_only_where_they_may() {
    let cluster = bereft(&[(1, at(3, 90, Some(42)), "s2a")]);
    let fanout = hasty(cluster.nodes());
    let listing = Listing { limit: 0, max: 100 };
    let stale =
        |pinned: &Pinned| pinned.coverage.warnings().iter().filter(|text| text.starts_with(STALE)).count();
    let pinned_one = pinned(&fanout, false).await;
    assert!(fanout.spans(&pinned_one, false).await.is_err(), "what is kept must not rest on it");
    assert_eq!(stale(&pinned_one), 0);
    assert!(fanout.spans(&pinned_one, true).await.is_ok());
    assert_eq!(stale(&pinned_one), 1);
    let one = pinned(&fanout, false).await;
    let values = fanout.label_values(&one, "__name__", &[], TimeRange::new(0, 10), listing).await;
    assert_eq!((values.unwrap().len(), stale(&one)), (5, 1));
    let one = pinned(&fanout, false).await;
    let counts = fanout.head_statistics(&one, 10).await.unwrap();
    assert_eq!((counts.iter().map(|count| count.series).sum::<u64>(), stale(&one)), (5, 1));
}

#[tokio::test(start_paused = true)]
async fn metadata_that_only_a_dead_node_was_told_is_missing_and_said_to_be() {
    let cluster = bereft(&[]);
    let (seen, never_seen) = (patient(cluster.nodes()), patient(cluster.nodes()));
    cluster.change(|state| state.dead.clear());
    assert!(seen.metadata(&pinned(&seen, false).await, "", TimeRange::new(0, 10), 10).await.is_ok());
    cluster.change(|state| state.dead = [2].into());
    for fanout in [&seen, &never_seen] {
        let pinned = pinned(fanout, false).await;
        fanout.metadata(&pinned, "", TimeRange::new(0, 10), 10).await.unwrap();
        let warnings = pinned.coverage.warnings();
        assert!(warnings.len() == 1 && warnings[0].contains("ingester 2"), "{warnings:?}");
    }
    let strict = Fanout { allow_stale_reads: false, ..patient(cluster.nodes()) };
    let pinned = pinned(&strict, false).await;
    assert!(strict.metadata(&pinned, "", TimeRange::new(0, 10), 10).await.is_err());
}
