use std::sync::atomic::Ordering;

use futures::StreamExt;
use latewood_base::{Kinded, Ulid};
use latewood_catalog::{BlockEntry, Change, FlushStep};
use latewood_model::{Labels, MatchOp, Resolution, Sample, SeriesSamples, stale_nan};
use prometheus_client::registry::Registry;
use tokio::sync::oneshot;

use super::*;
use crate::testing::{FakeStore, block, catalogs, series, stores, unavailable};

const ALL: Wanted = Wanted { detail: Detail::Samples, starts: true, limit: 0 };

fn fanout(ingesters: Vec<Arc<dyn StoreApi>>, gateways: Vec<Arc<dyn StoreApi>>) -> Fanout {
    fanout_of(stores(ingesters), stores(gateways), &QuerierConfig::default())
}

fn fanout_of(ingesters: Stores, gateways: Stores, config: &QuerierConfig) -> Fanout {
    let metrics = Metrics::new(&mut Registry::default());
    Fanout::new(catalogs(), ingesters, gateways, config, metrics)
}

async fn commit_block(fanout: &Fanout) -> Ulid {
    let entry = block(77, 0, 1000, Resolution::Raw);
    let change = Change { add: vec![(*entry).clone()], ..Change::default() };
    let catalog = fanout.catalogs.tenant(&TenantId::anonymous());
    catalog.commit(change).await.unwrap();
    entry.id
}

/// All series of a select over everything.
async fn read_all(fanout: &Fanout, partial: bool) -> Result<(Vec<SeriesSamples>, Vec<String>), StoreError> {
    let matchers = [Matcher::new(MatchOp::NotEqual, "__name__", "").unwrap()];
    let matchers = &matchers[..];
    let read = move |pinned: Pinned| async move {
        let range = TimeRange::new(0, 1000);
        let mut batches = fanout.select(&pinned, matchers, range, ALL).await?;
        let mut all = Vec::new();
        while let Some(batch) = batches.next().await {
            all.extend(batch?);
        }
        Ok(all)
    };
    fanout.under_view(&TenantId::anonymous(), partial, read).await
}

fn samples(series: &SeriesSamples) -> Vec<Sample> {
    series.samples().collect()
}

fn sample(timestamp: i64, value: f64) -> Sample {
    Sample { timestamp, value }
}

#[tokio::test]
async fn sources_are_merged_in_storage_order_and_ties_decided_by_the_rule() {
    let up = &[("__name__", "up"), ("A", "1")][..];
    let fanout = fanout(
        vec![
            FakeStore::holding(vec![
                series(up, &[(10, 1.0), (20, stale_nan())]),
                series(&[("__name__", "b")], &[(1, 1.0)]),
            ])
            .shared(),
            FakeStore::holding(vec![series(up, &[(20, 2.0), (30, 3.0)])]).shared(),
        ],
        vec![
            FakeStore::holding(vec![series(up, &[(5, 0.5)]), series(&[("__name__", "a")], &[(1, 1.0)])])
                .shared(),
        ],
    );
    commit_block(&fanout).await;
    let (all, warnings) = read_all(&fanout, false).await.unwrap();
    let names: Vec<_> = all.iter().map(|one| one.labels.metric_name().unwrap()).collect();
    assert_eq!((names, warnings), (vec!["a", "b", "up"], vec![]));
    assert_eq!(samples(&all[2]), [sample(5, 0.5), sample(10, 1.0), sample(20, 2.0), sample(30, 3.0)]);
}

#[tokio::test]
async fn where_samples_are_gone_the_finest_rollups_are_asked_for_those_times_alone() {
    let gateway = Arc::new(FakeStore::holding(vec![series(&[("__name__", "up")], &[(50, 1.0), (150, 2.0)])]));
    let fanout = fanout(vec![FakeStore::default().shared()], vec![gateway.clone()]);
    let of = |id, window, resolution, lineage: &[u128]| BlockEntry {
        window: Some(window),
        lineage: lineage.iter().copied().map(Ulid).collect(),
        ..BlockEntry::clone(&block(id, window.start, window.end, resolution))
    };
    let (first, second) = (TimeRange::new(1, 100), TimeRange::new(101, 1000));
    let add = vec![
        of(1, first, Resolution::FiveMinutes, &[90]),
        of(2, first, Resolution::OneHour, &[90, 1]),
        of(3, second, Resolution::Raw, &[]),
        of(4, second, Resolution::FiveMinutes, &[3]),
    ];
    let catalog = fanout.catalogs.tenant(&TenantId::anonymous());
    catalog.commit(Change { add, ..Change::default() }).await.unwrap();
    let (all, warnings) = read_all(&fanout, false).await.unwrap();
    // What the one store has is cut by what it is asked for, and joined.
    assert_eq!((samples(&all[0]), warnings.len()), (vec![sample(50, 1.0), sample(150, 2.0)], 0));
    let views = gateway.views.lock();
    let asked: Vec<&[String]> = views.iter().map(|view| view.blocks.as_slice()).collect();
    assert_eq!(asked, [&[Ulid(3).to_string()], &[Ulid(1).to_string()]]);
}

#[tokio::test]
async fn a_stale_view_is_pinned_again_once_at_the_version_that_is_needed() {
    let store = Arc::new(FakeStore::failing([StoreError::StaleView { min_version: 1 }]));
    let fanout = fanout(vec![store.clone()], vec![FakeStore::default().shared()]);
    // Loaded before the commit, so that only a refresh shows it.
    let stale = fanout.catalogs.tenant(&TenantId::anonymous()).view().await.unwrap();
    assert_eq!(stale.version, 0);
    commit_block(&fanout).await;
    read_all(&fanout, false).await.unwrap();
    let versions: Vec<u64> = store.views.lock().iter().map(|view| view.version).collect();
    assert_eq!((versions.len(), versions[1]), (2, 1));
}

#[tokio::test]
async fn a_view_that_is_stale_twice_is_unavailable_even_where_answers_may_be_partial() {
    for partial in [false, true] {
        let stale = || StoreError::StaleView { min_version: 0 };
        let store = Arc::new(FakeStore::failing([stale(), stale()]));
        let fanout = fanout(vec![store.clone()], vec![]);
        let outcome = read_all(&fanout, partial).await;
        assert_eq!(store.calls.load(Ordering::SeqCst), 2);
        match outcome {
            Err(error) => assert!(!partial && error.kind() == ErrorKind::Unavailable),
            Ok((_, warnings)) => assert!(partial && warnings[0].contains("stale view"), "{warnings:?}"),
        }
    }
}

#[tokio::test]
async fn a_source_that_fails_at_once_or_midway_fails_the_query_or_is_named() {
    let good = || FakeStore::holding(vec![series(&[("__name__", "up")], &[(1, 1.0)])]).shared();
    let midway = || {
        let mut store = FakeStore::holding(vec![series(&[("__name__", "down")], &[(1, 1.0)])]);
        store.late_failure = Some(unavailable());
        store.shared()
    };
    for bad in [|| FakeStore::failing([unavailable()]).shared(), midway] {
        let error = read_all(&fanout(vec![good(), bad()], vec![]), false).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert!(error.to_string().starts_with("ingester 1: "), "{error}");
        let partial = read_all(&fanout(vec![good(), bad()], vec![]), true).await;
        let (all, warnings) = partial.unwrap();
        assert!(all.iter().any(|one| one.labels.metric_name() == Some("up")));
        assert_eq!(warnings, ["partial response: ingester 1: connection refused"]);
    }
}

#[tokio::test]
async fn blocks_that_no_gateway_serves_are_never_passed_over() {
    let fanout = fanout(vec![FakeStore::default().shared()], vec![]);
    commit_block(&fanout).await;
    let error = read_all(&fanout, false).await.unwrap_err();
    assert!(error.to_string().contains("1 blocks are needed"), "{error}");
    let (_, warnings) = read_all(&fanout, true).await.unwrap();
    assert_eq!(warnings.len(), 1);
}

/// Two store-gateways, the owner of a block failing as it is told, the other one well; which is the owner is the
/// block's to say.
async fn with_failing_owner(
    replication_factor: usize,
    failing: impl Fn() -> FakeStore,
    good: impl Fn() -> FakeStore,
) -> Fanout {
    let config =
        QuerierConfig { store_gateway_replication_factor: replication_factor, ..QuerierConfig::default() };
    let ingester = || stores(vec![FakeStore::default().shared()]);
    let probes = [Arc::new(FakeStore::default()), Arc::new(FakeStore::default())];
    let gateways = probes.clone().map(|probe| -> Arc<dyn StoreApi> { probe });
    let fanout = fanout_of(ingester(), stores(gateways.into()), &config);
    commit_block(&fanout).await;
    read_all(&fanout, false).await.unwrap();
    let mut gateways: [Arc<dyn StoreApi>; 2] = [failing().shared(), good().shared()];
    if probes[0].calls.load(Ordering::SeqCst) == 0 {
        gateways.reverse();
    }
    let fanout = fanout_of(ingester(), stores(gateways.into()), &config);
    commit_block(&fanout).await;
    fanout
}

fn gauges() -> Vec<SeriesSamples> {
    let gauge = |name: &str| series(&[("__name__", name)], &[(1, 1.0), (2, 2.0)]);
    ["a", "b", "c"].map(gauge).into()
}

#[tokio::test]
async fn another_owner_goes_on_where_one_fails_and_nothing_comes_twice() {
    for before_the_failure in 0..=3 {
        let failing = || FakeStore {
            late_failure: Some(unavailable()),
            ..FakeStore::holding(gauges().into_iter().take(before_the_failure).collect())
        };
        let fanout = with_failing_owner(2, failing, || FakeStore::holding(gauges())).await;
        let (all, warnings) = read_all(&fanout, false).await.unwrap();
        assert_eq!((told(&all), warnings), (told(&gauges()), vec![]), "after {before_the_failure} series");
        assert_eq!(fanout.metrics.failovers.get(), 1);
    }
}

fn told(all: &[SeriesSamples]) -> Vec<(Labels, Vec<Sample>)> {
    all.iter().map(|one| (one.labels.clone(), samples(one))).collect()
}

#[tokio::test]
async fn names_are_asked_of_another_owner_too() {
    let failing = || FakeStore::failing([unavailable()]);
    let fanout = with_failing_owner(3, failing, || FakeStore::holding(gauges())).await;
    let pinned = fanout.pin(&TenantId::anonymous(), None, false).await.unwrap();
    let listing = Listing { limit: 0, max: 10 };
    let values = fanout.label_values(&pinned, "__name__", &[], TimeRange::new(0, 10), listing).await;
    assert_eq!(values.unwrap(), ["a", "b", "c"]);
}

#[tokio::test]
async fn a_block_whose_owners_have_all_failed_is_missing() {
    let midway =
        || FakeStore { late_failure: Some(unavailable()), ..FakeStore::holding(gauges()[..1].into()) };
    let at_once = || FakeStore::failing([unavailable()]);
    for (factor, good) in
        [(2, at_once as fn() -> FakeStore), (2, midway), (1, || FakeStore::holding(gauges()))]
    {
        let error = read_all(&with_failing_owner(factor, midway, good).await, false).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert!(error.to_string().starts_with("store-gateway "), "{error}");
        let (all, warnings) = read_all(&with_failing_owner(factor, midway, good).await, true).await.unwrap();
        assert_eq!((told(&all), warnings.len()), (told(&gauges()[..1]), 1));
    }
}

#[tokio::test]
async fn what_is_wrong_with_the_request_is_not_asked_of_others() {
    let refused = || FakeStore::failing([StoreError::new(ErrorKind::Unprocessable, "too much memory")]);
    let fanout = with_failing_owner(2, refused, || FakeStore::holding(gauges())).await;
    assert_eq!(read_all(&fanout, false).await.unwrap_err().kind(), ErrorKind::Unprocessable);
}

#[tokio::test]
async fn too_few_ingesters_that_are_known_are_a_source_that_is_missing() {
    let up = series(&[("__name__", "up")], &[(1, 1.0)]);
    let known = stores(vec![FakeStore::holding(vec![up]).shared()]);
    let config = QuerierConfig { min_ingesters: 2, ..QuerierConfig::default() };
    let fanout = fanout_of(known.clone(), Stores::default(), &config);
    let error = read_all(&fanout, false).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(error.to_string(), "ingesters: 1 of at least 2 are known");
    let (all, warnings) = read_all(&fanout, true).await.unwrap();
    assert_eq!((all.len(), &warnings[..]), (1, &["partial response: ".to_owned() + &error.to_string()][..]));
    let pinned = fanout.pin(&TenantId::anonymous(), None, false).await.unwrap();
    assert!(fanout.head_statistics(&pinned, 10).await.is_err());

    let another = NamedStore { name: "new".into(), api: FakeStore::default().shared(), deletion: None };
    known.set(known.now().iter().cloned().chain([another]).collect());
    assert_eq!(read_all(&fanout, false).await.unwrap().1, [""; 0]);
}

#[tokio::test]
async fn dropping_the_series_ends_the_sources() {
    let (held, dropped) = oneshot::channel();
    let store = FakeStore::default();
    *store.endless.lock() = Some(held);
    let fanout = fanout(vec![store.shared()], vec![]);
    let pinned = fanout.pin(&TenantId::anonymous(), None, false).await.unwrap();
    let series = fanout.select(&pinned, &[], TimeRange::ALL, ALL).await.unwrap();
    drop(series);
    assert!(dropped.await.is_err());
}

#[tokio::test]
async fn cardinality_is_asked_for_under_the_pinned_view() {
    let store = Arc::new(FakeStore::holding(vec![series(&[("__name__", "up")], &[(1, 1.0)])]));
    let fanout = fanout(vec![store.clone()], vec![]);
    let step = FlushStep { shard: 3, from: 0, to: 9 };
    let catalog = fanout.catalogs.tenant(&TenantId::anonymous());
    catalog.commit(Change::flush(None, step)).await.unwrap();
    let pinned = fanout.pin(&TenantId::anonymous(), None, false).await.unwrap();
    let answers = fanout.head_statistics(&pinned, 10).await.unwrap();
    // An ingester that has dropped generation 9 refuses any view in which it is not flushed.
    let flushed = vec![wire::FlushedShard { shard: 3, generation: 9 }];
    assert_eq!(*store.views.lock(), [wire::View { version: 1, flushed, ..wire::View::default() }]);
    assert_eq!(answers.iter().map(|answer| answer.series).sum::<u64>(), 1);
}
