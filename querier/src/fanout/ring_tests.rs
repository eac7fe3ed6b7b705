//! Each shard is answered by its leader, once, whoever that is and becomes.

use std::collections::BTreeSet;
use std::time::Duration;

use futures::StreamExt;
use latewood_base::Kinded;
use prometheus_client::registry::Registry;

use super::*;
use crate::testing::{FakeStore, catalogs, series, unavailable};

mod cluster;
mod leaderless;

use cluster::Cluster;

const ALL: Wanted = Wanted { detail: Detail::Samples, starts: true, limit: 0 };

/// More than any of these tests should take.
const LONG: Duration = Duration::from_secs(60);

fn fanout_of(ingesters: &Stores, patience_ms: u64) -> Fanout {
    let config = QuerierConfig { ring_patience_ms: patience_ms, ..QuerierConfig::default() };
    let metrics = Metrics::new(&mut Registry::default());
    Fanout::new(catalogs(), ingesters.clone(), Stores::default(), &config, metrics)
}

/// A querier that waits for as long as it takes.
fn patient(ingesters: Vec<NamedStore>) -> Fanout {
    fanout_of(&Stores::new(ingesters), 60_000)
}

fn hasty(ingesters: Vec<NamedStore>) -> Fanout {
    fanout_of(&Stores::new(ingesters), 120)
}

fn named(name: &str, store: FakeStore) -> NamedStore {
    NamedStore { name: name.into(), api: store.shared(), deletion: None }
}

/// One that is never there.
fn unreachable(name: &str) -> NamedStore {
    let cluster = Cluster::of(99, 1);
    cluster.change(|state| state.kill(1));
    NamedStore { name: name.into(), ..cluster.node(1) }
}

/// The names of all series, as they come.
async fn read(fanout: &Fanout, partial: bool) -> Result<(Vec<String>, Vec<String>), StoreError> {
    let read = move |pinned: Pinned| async move {
        let mut batches = fanout.select(&pinned, &[], TimeRange::new(0, 1000), ALL).await?;
        let mut all = Vec::new();
        while let Some(batch) = batches.next().await {
            let names = batch?.into_iter().map(|one| one.labels.metric_name().unwrap_or("").to_owned());
            all.extend(names);
        }
        Ok(all)
    };
    let tenant = TenantId::anonymous();
    let answer = fanout.under_view(&tenant, partial, read);
    tokio::time::timeout(LONG, answer).await.expect("an answer or an error in time")
}

/// The series of all of so many shards.
fn series_of(shards: impl IntoIterator<Item = u32>) -> Vec<String> {
    shards.into_iter().flat_map(|shard| [format!("s{shard}a"), format!("s{shard}b")]).collect()
}

async fn complete(fanout: &Fanout) -> Vec<String> {
    let (names, warnings) = read(fanout, false).await.unwrap();
    assert_eq!(warnings, [""; 0]);
    names
}

async fn pinned(fanout: &Fanout, partial: bool) -> Pinned {
    fanout.pin(&TenantId::anonymous(), None, partial).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn each_shard_is_asked_of_its_leader_and_rings_beside_the_queries() {
    let cluster = Cluster::of(1, 3);
    cluster.change(|state| state.elect(2, 1));
    let fanout = patient(cluster.nodes());
    for _ in 0..5 {
        assert_eq!(complete(&fanout).await, series_of(1..=3));
        let asked: BTreeSet<_> = cluster.take_asked().into_iter().collect();
        assert_eq!(asked, [(1, vec![1, 2]), (3, vec![3])].into());
    }
    assert_eq!(cluster.change(|state| state.rings), 3);
    assert_eq!(fanout.metrics.moved_shards.get(), 0);
    let pinned = pinned(&fanout, false).await;
    let counts = fanout.head_statistics(&pinned, 10).await.unwrap();
    assert_eq!(counts.iter().map(|count| count.series).sum::<u64>(), 6);
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_moved_is_found_within_the_query() {
    let cluster = Cluster::of(1, 3);
    let fanout = patient(cluster.nodes());
    complete(&fanout).await;
    cluster.change(|state| state.elect(2, 3));
    assert_eq!(complete(&fanout).await, series_of(1..=3));
    assert_eq!(fanout.metrics.moved_shards.get(), 1);
    cluster.take_asked();
    complete(&fanout).await;
    let asked: BTreeSet<_> = cluster.take_asked().into_iter().collect();
    assert_eq!(asked, [(1, vec![1]), (3, vec![2, 3])].into(), "it is known from then on");
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_moves_in_the_middle_of_its_series_is_gone_on_from() {
    for after in 0..=2 {
        for dies in [false, true] {
            let cluster = Cluster::of(1, 1);
            // One leads both shards, which have series before and behind each other's.
            cluster.change(|state| {
                state.members = 3;
                let names = |names: [&str; 2]| names.map(|name| series(&[("__name__", name)], &[(1, 1.0)]));
                state.data = [(1, names(["a", "c"]).into()), (2, names(["b", "d"]).into())].into();
                state.elect(2, 1);
                let change: cluster::Change = Box::new(move |state| {
                    if dies {
                        state.kill(1);
                    }
                    state.elect(1, 2);
                    state.elect(2, 3);
                });
                state.breaks = Some((after, change));
            });
            let fanout = patient(cluster.nodes());
            assert_eq!(complete(&fanout).await, ["a", "b", "c", "d"], "after {after}, dies: {dies}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn another_leader_is_waited_for() {
    let cluster = Cluster::of(1, 3);
    let fanout = patient(cluster.nodes());
    complete(&fanout).await;
    cluster.change(|state| {
        state.kill(2);
        let elected: cluster::Change = Box::new(|state| state.elect(2, 3));
        state.at_ring = Some((state.rings + 7, elected));
    });
    assert_eq!(complete(&fanout).await, series_of(1..=3));
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_hangs_is_not_waited_for_once_others_lead() {
    for after in [None, Some(0), Some(3)] {
        let cluster = Cluster::of(1, 3);
        cluster.change(|state| {
            state.elect(1, 2);
            state.elect(3, 2);
        });
        let fanout = patient(cluster.nodes());
        complete(&fanout).await;
        let hangs: cluster::Change = Box::new(|state| {
            state.hung.insert(2);
            (1..=3).for_each(|shard| state.elect(shard, if shard == 2 { 1 } else { 3 }));
        });
        match after {
            None => cluster.change(hangs),
            Some(after) => cluster.change(|state| state.breaks = Some((after, hangs))),
        }
        let begun = tokio::time::Instant::now();
        assert_eq!(complete(&fanout).await, series_of(1..=3));
        assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn a_dead_node_whose_shards_others_lead_is_not_missed() {
    let cluster = Cluster::of(1, 3);
    let seen = patient(cluster.nodes());
    complete(&seen).await;
    cluster.change(|state| {
        state.kill(2);
        state.elect(2, 1);
    });
    let never_seen = patient(cluster.nodes());
    for fanout in [&seen, &never_seen] {
        for partial in [false, true] {
            assert_eq!(read(fanout, partial).await.unwrap(), (series_of(1..=3), vec![]));
        }
    }
    let only_one = fanout_of(&Stores::new(vec![cluster.node(1), cluster.node(2)]), 60_000);
    cluster.change(|state| state.elect(3, 1));
    let min_ingesters = 3;
    assert_eq!(complete(&Fanout { min_ingesters, ..only_one }).await, series_of(1..=3), "all nodes count");
}

#[tokio::test(start_paused = true)]
async fn a_shard_that_nobody_leads_for_too_long_is_a_source_that_is_missing() {
    let cluster = Cluster::of(1, 3);
    let fanout = hasty(cluster.nodes());
    complete(&fanout).await;
    cluster.change(|state| state.kill(2));
    for _ in 0..2 {
        let error = read(&fanout, false).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert!(error.to_string().starts_with("shards 2: no ingester was found that leads them"), "{error}");
        let (names, warnings) = read(&fanout, true).await.unwrap();
        assert_eq!(names, series_of([1, 3]));
        assert!(warnings.len() == 1 && warnings[0].contains("shards 2: "), "{warnings:?}");
    }
    let pinned = pinned(&fanout, true).await;
    assert!(fanout.spans(&pinned, false).await.is_err(), "what is missing is no answer of no times");
    let listing = Listing { limit: 0, max: 100 };
    let names = fanout.label_values(&pinned, "__name__", &[], TimeRange::new(0, 10), listing).await;
    assert_eq!((names.unwrap(), pinned.coverage.warnings().len()), (series_of([1, 3]), 1));
    cluster.change(|state| state.elect(2, 1));
    assert_eq!(complete(&fanout).await, series_of(1..=3));
}

#[tokio::test(start_paused = true)]
async fn one_attempt_waits_once() {
    let cluster = Cluster::of(1, 3);
    let fanout = fanout_of(&Stores::new(cluster.nodes()), 5_000);
    complete(&fanout).await;
    cluster.change(|state| state.kill(2));
    let (pinned, begun) = (pinned(&fanout, true).await, tokio::time::Instant::now());
    assert!(fanout.spans(&pinned, false).await.is_err());
    let selectors: Vec<Vec<Matcher>> = vec![Vec::new(); 10];
    let listing = Listing { limit: 0, max: 100 };
    let names = fanout.label_names(&pinned, &selectors, TimeRange::new(0, 10), listing).await;
    assert_eq!(names.unwrap(), ["__name__"]);
    let took = begun.elapsed();
    assert!(took > Duration::from_secs(4) && took < Duration::from_secs(6), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn what_the_last_leader_said_is_told() {
    let cluster = Cluster::of(1, 2);
    let fanout = hasty(cluster.nodes());
    complete(&fanout).await;
    // It says that it leads, and does not answer.
    cluster.change(|state| state.failing = [2].into());
    let error = read(&fanout, false).await.unwrap_err().to_string();
    assert!(error.contains("shards 2") && error.contains("connection refused"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn one_that_stands_alone_fails_at_once() {
    let alone = Cluster::of(1, 1);
    let other = Cluster::of(2, 1);
    other.change(|state| state.data = [(9, vec![series(&[("__name__", "other")], &[(1, 1.0)])])].into());
    other.change(|state| state.led = [(9, (1, 1))].into());
    let other = NamedStore { name: "other".into(), ..other.node(1) };
    let fanout = patient(vec![alone.node(1), other]);
    assert_eq!(complete(&fanout).await, ["other", "s1a", "s1b"]);
    alone.change(|state| state.dead = [1].into());
    let error = read(&fanout, false).await.unwrap_err();
    assert_eq!(error.to_string(), "ingester 1: connection refused");
    let (names, warnings) = read(&fanout, true).await.unwrap();
    assert_eq!(
        (names, &warnings[..]),
        (vec!["other".to_owned()], &["partial response: ".to_owned() + &error.to_string()][..])
    );
    alone.change(|state| state.dead.clear());
    assert_eq!(complete(&fanout).await, ["other", "s1a", "s1b"]);
}

#[tokio::test(start_paused = true)]
async fn one_that_came_back_with_another_journal_is_asked_for_that() {
    let alone = Cluster::of(1, 1);
    let fanout = patient(alone.nodes());
    assert_eq!(complete(&fanout).await, series_of([1]));
    alone.change(|state| {
        state.id = 2;
        state.data = [(5, vec![series(&[("__name__", "new")], &[(1, 1.0)])])].into();
        state.led = [(5, (1, 1))].into();
    });
    assert_eq!(complete(&fanout).await, ["new"]);
}

#[tokio::test(start_paused = true)]
async fn one_that_may_be_of_no_known_cluster_is_missed() {
    let cluster = Cluster::of(1, 3);
    cluster.change(|state| {
        state.kill(3);
        state.elect(3, 1);
    });
    let ingesters = |unknown: usize| {
        let unknown = (0..unknown).map(|place| unreachable(&format!("x{place}")));
        vec![cluster.node(1), cluster.node(2)].into_iter().chain(unknown).collect::<Vec<_>>()
    };
    assert_eq!(complete(&patient(ingesters(1))).await, series_of(1..=3));
    let error = read(&patient(ingesters(2)), false).await.unwrap_err();
    assert_eq!(error.to_string(), "ingester x0: connection refused");
    let (names, warnings) = read(&patient(ingesters(2)), true).await.unwrap();
    assert_eq!((names, warnings.len()), (series_of(1..=3), 2));
    // Once it is there, it is asked.
    let late = Cluster::of(7, 1);
    late.change(|state| state.dead = [1].into());
    let fanout = patient(vec![NamedStore { name: "late".into(), ..late.node(1) }]);
    assert!(read(&fanout, false).await.is_err());
    late.change(|state| state.dead.clear());
    assert_eq!(complete(&fanout).await, series_of([1]));
}

#[tokio::test(start_paused = true)]
async fn an_older_store_is_asked_for_all_that_it_has() {
    let cluster = Cluster::of(1, 2);
    let older = || FakeStore::holding(vec![series(&[("__name__", "older")], &[(1, 1.0)])]);
    let store = Arc::new(older());
    let older_node = NamedStore { name: "older".into(), api: store.clone(), deletion: None };
    let fanout = patient([cluster.nodes(), vec![older_node]].concat());
    let names = complete(&fanout).await;
    assert_eq!(names, [vec!["older".to_owned()], series_of(1..=2)].concat());
    assert_eq!(store.views.lock().as_slice(), [wire::View::default()]);
    let failing = FakeStore::failing([unavailable()]);
    let error = read(&patient(vec![named("older", failing)]), false).await.unwrap_err();
    assert_eq!(error.to_string(), "ingester older: connection refused");
    cluster.change(|state| state.old = [1, 2].into());
    cluster.take_asked();
    assert_eq!(complete(&patient(cluster.nodes())).await, series_of(1..=2));
    assert_eq!(cluster.take_asked().into_iter().collect::<BTreeSet<_>>(), [(1, vec![]), (2, vec![])].into());
}

#[tokio::test(start_paused = true)]
async fn a_deletion_is_logged_by_whoever_leads_each_shard() {
    let cluster = Cluster::of(1, 3);
    let fanout = patient(cluster.nodes());
    complete(&fanout).await;
    cluster.change(|state| {
        state.elect(2, 3);
        state.kill(1);
        let elected: cluster::Change = Box::new(|state| state.elect(1, 2));
        state.at_ring = Some((state.rings + 5, elected));
    });
    cluster.take_asked();
    let open = fanout.log_deletion("team", &[]).await.unwrap();
    let shards: Vec<u32> = open.iter().map(|one| one.shard).collect();
    assert_eq!((shards.len(), shards.into_iter().collect::<BTreeSet<_>>()), (3, [1, 2, 3].into()));
    let asked = cluster.take_asked();
    assert!(asked.contains(&(3, vec![2])) && asked.contains(&(2, vec![1])), "{asked:?}");
}

#[tokio::test(start_paused = true)]
async fn a_deletion_that_not_all_shards_log_fails() {
    let cluster = Cluster::of(1, 3);
    let fanout = hasty(cluster.nodes());
    complete(&fanout).await;
    cluster.change(|state| state.kill(2));
    let error = fanout.log_deletion("team", &[]).await.unwrap_err();
    assert!(error.to_string().starts_with("shards 2: "), "{error}");
    let unknown = hasty(vec![cluster.node(1), cluster.node(3), unreachable("x"), unreachable("y")]);
    cluster.change(|state| state.elect(2, 1));
    let error = unknown.log_deletion("team", &[]).await.unwrap_err();
    assert_eq!(error.to_string(), "ingester x: connection refused");
}
