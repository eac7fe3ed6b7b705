//! A panel of a day over 10,000 series against a bucket at a distance, everything cold: how often the bucket is asked,
//! in how many rounds, and, where the build is optimised, how long it takes.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use latewood_base::{Clock, Ids, Offload, Rng, Ulid};
use latewood_block::{BlockHeader, BlockWriter, WriterConfig};
use latewood_catalog::{BlockEntry, CatalogConfig, Catalogs, Change};
use latewood_model::{Labels, Resolution, SeriesSamples, StartTimestamps, TenantId, TimestampMs};
use latewood_objstore::{Bucket, BucketConfig, MemoryBucket, with_decorators};
use latewood_querier::{NamedStore, Querier, QuerierConfig, QuerierDeps, StatusInfo, Stores};
use latewood_store_gateway::{GatewayConfig, StoreGateway};
use latewood_testkit::{Asked, Operation, SlowBucket, dependent_rounds};
use prometheus_client::registry::Registry;
use serde_json::Value;

pub const SERIES: usize = 10_000;
pub const START_MS: i64 = 1_700_000_000_000;
pub const HOUR_MS: i64 = 3_600_000;
/// Without optimisation a tenth of the samples must do: what is counted is the same.
const SCRAPE_MS: i64 = if cfg!(debug_assertions) { 300_000 } else { 15_000 };

pub fn catalogs(bucket: &Bucket) -> Arc<Catalogs> {
    let ids = Ids::new(Clock::system(), Rng::seeded(1));
    Catalogs::new(Arc::clone(bucket), Clock::system(), ids, CatalogConfig::default())
}

/// Counters that grow by about as much from scrape to scrape, each in its own way.
fn counter(number: usize, times: &Arc<[TimestampMs]>) -> SeriesSamples {
    let labels = Labels::from_pairs([
        ("__name__".to_owned(), "http_requests_total".to_owned()),
        ("instance".to_owned(), format!("host-{number:05}:9100")),
        ("job".to_owned(), format!("job-{}", number / 1000)),
    ]);
    let mut state = number as u64 + 1;
    let mut total = 0.0;
    let values = times.iter().map(|_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        total += ((state >> 33) % 20) as f64;
        total
    });
    SeriesSamples {
        labels,
        timestamps: Arc::clone(times),
        values: values.collect(),
        starts: StartTimestamps::none(),
        histograms: Vec::new(),
    }
}

async fn put_folder(bucket: &Bucket, root: &Path, dir: &Path, folder: &str) -> u64 {
    let mut bytes = 0;
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            bytes += Box::pin(put_folder(bucket, root, &path, folder)).await;
        } else {
            let body = std::fs::read(&path).unwrap();
            bytes += body.len() as u64;
            let name = path.strip_prefix(root).unwrap().to_str().unwrap();
            bucket.put(&format!("{folder}/{name}"), body.into()).await.unwrap();
        }
    }
    bytes
}

/// A block of the series whose number leaves this rest when divided by `shards`.
pub async fn add_block(bucket: &Bucket, id: u128, hours: std::ops::Range<i64>, shard: usize, shards: usize) {
    let tenant = TenantId::anonymous();
    let header = BlockHeader::new(Ulid(id), tenant.clone(), Resolution::Raw);
    let dir = tempfile::tempdir().unwrap();
    let mut writer = BlockWriter::create(dir.path(), header, WriterConfig::default()).unwrap();
    let (start, end) = (START_MS + hours.start * HOUR_MS, START_MS + hours.end * HOUR_MS);
    let times: Arc<[TimestampMs]> = (start..end).step_by(SCRAPE_MS as usize).collect();
    for number in (shard..SERIES).step_by(shards) {
        writer.push(&counter(number, &times), None).unwrap();
    }
    let meta = writer.finish().unwrap();
    let mut entry = BlockEntry::new(Ulid(id), Resolution::Raw, meta.range);
    (entry.series, entry.samples) = (meta.series, meta.samples);
    entry.bytes = put_folder(bucket, dir.path(), dir.path(), &entry.folder(&tenant)).await;
    let change = Change { add: vec![entry], ..Change::default() };
    catalogs(bucket).tenant(&tenant).commit(change).await.unwrap();
}

/// A querier and a store-gateway that have seen nothing yet, over a bucket 20 ms away at 90 MB/s a stream.
pub async fn cold(bucket: &Bucket) -> (Arc<SlowBucket>, String) {
    let (clock, mut registry) = (Clock::system(), Registry::default());
    let slow = SlowBucket::new(Arc::clone(bucket), clock.clone(), Duration::from_millis(20), 90e6);
    let config = BucketConfig::at("s3://far");
    let far = with_decorators(slow.clone(), &config, clock.clone(), Rng::seeded(2), &mut registry);
    let (catalogs, offload) = (catalogs(&far), Offload::per_core());
    let gateway = StoreGateway::new(
        GatewayConfig::default(),
        far,
        Arc::clone(&catalogs),
        offload.clone(),
        &mut registry,
    );
    let known = |name: &str, api| Stores::new(vec![NamedStore { name: name.into(), api, deletion: None }]);
    let gateway = Arc::new(gateway);
    let deps = QuerierDeps {
        catalogs,
        // Asked for what is in no block, it has nothing.
        ingesters: known("ingester", gateway.clone()),
        gateways: known("gateway", gateway),
        clock,
        ids: Ids::new(Clock::system(), Rng::seeded(3)),
        offload,
        status: StatusInfo::default(),
    };
    let routes = Querier::new(QuerierConfig::default(), deps, &mut registry).routes();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, routes).await });
    (slow, url)
}

/// A first query, which reads the tenant's catalog, lists nothing, and reads no block.
pub async fn know_the_catalog(slow: &SlowBucket, url: &str) {
    let answer = reqwest::get(format!("{url}/api/v1/query?query=up&time=0")).await.unwrap();
    assert_eq!(answer.status(), 200);
    let asked = slow.take_asked();
    assert!(!asked.is_empty() && asked.iter().all(|one| !one.key.contains("block=")), "{asked:?}");
    assert_no_listing(&asked);
}

fn assert_no_listing(asked: &[Asked]) {
    let listing = asked.iter().find(|one| matches!(one.operation, Operation::List | Operation::ListFolders));
    assert!(listing.is_none(), "{listing:?}");
}

async fn panel(url: &str) -> Value {
    panel_of(url, "15m", 24, 300).await
}

/// The rates of all series by job over so many hours.
async fn panel_of(url: &str, range: &str, hours: i64, step: i64) -> Value {
    let form = [
        ("query", format!("sum by (job) (rate(http_requests_total[{range}]))")),
        ("start", (START_MS / 1000 + 900).to_string()),
        ("end", (START_MS / 1000 + hours * 3600 - 900).to_string()),
        ("step", step.to_string()),
        ("stats", "1".to_owned()),
    ];
    let answer = reqwest::Client::new().post(format!("{url}/api/v1/query_range")).form(&form).send().await;
    let body: Value = answer.unwrap().json().await.unwrap();
    let jobs = body["data"]["result"].as_array().map(Vec::len);
    assert!(jobs == Some(10) && body["warnings"].is_null(), "{body}");
    body
}

async fn assert_few_requests(bucket: &Bucket, blocks: usize) {
    let (slow, url) = cold(bucket).await;
    know_the_catalog(&slow, &url).await;
    let clock = Clock::system();
    let body = panel(&url).await;
    let took = clock.elapsed();
    let asked = slow.take_asked();
    let told = &body["data"]["stats"]["latewood"];
    assert_eq!(told["bucketRequests"], asked.len());
    assert_eq!(told["bucketReadBytes"], asked.iter().map(|one| one.bytes).sum::<usize>());

    assert_no_listing(&asked);
    let mut by_block: BTreeMap<&str, Vec<&Asked>> = BTreeMap::new();
    for one in &asked {
        if let Some((_, rest)) = one.key.split_once("block=") {
            by_block.entry(rest.split('/').next().unwrap()).or_default().push(one);
        }
    }
    assert_eq!(by_block.len(), blocks);
    let (most, rounds) = by_block.values().fold((0, 0), |(most, rounds), asked| {
        (most.max(asked.len()), rounds.max(dependent_rounds(asked.iter().copied())))
    });
    eprintln!("{blocks} blocks: {took:?}, {most} requests a block in {rounds} rounds, {told}");
    assert!(most <= 8, "{most} requests to one block: {by_block:#?}");
    assert!(rounds <= 2, "{rounds} rounds");
    if !cfg!(debug_assertions) {
        assert!(took <= Duration::from_millis(1500), "{took:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cold_day_in_one_block() {
    let bucket: Bucket = Arc::new(MemoryBucket::new());
    add_block(&bucket, 1, 0..24, 0, 1).await;
    assert_few_requests(&bucket, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cold_day_in_blocks_of_two_hours_and_four_shards() {
    let bucket: Bucket = Arc::new(MemoryBucket::new());
    for (id, (slot, shard)) in (0..12).flat_map(|slot| (0..4).map(move |shard| (slot, shard))).enumerate() {
        add_block(&bucket, id as u128 + 1, slot * 2..slot * 2 + 2, shard, 4).await;
    }
    assert_few_requests(&bucket, 48).await;
}

/// A week of 1,000 series in so many blocks: what is asked of the bucket when nothing is known, and when the blocks' tables
/// are.
async fn assert_few_requests_of_a_week(blocks: i64) {
    let bucket: Bucket = Arc::new(MemoryBucket::new());
    let hours = 7 * 24 / blocks;
    for block in 0..blocks {
        add_block(&bucket, block as u128 + 1, block * hours..(block + 1) * hours, 0, SERIES / 1000).await;
    }
    for (state, most) in [("cold", 60), ("warm", 30)] {
        let (slow, url) = cold(&bucket).await;
        know_the_catalog(&slow, &url).await;
        if state == "warm" {
            let query = "count(http_requests_total{instance=\"host-00000:9100\"})";
            let at = |block: i64| (START_MS / 1000 + (block * hours + 1) * 3600).to_string();
            for block in 0..blocks {
                let asked = reqwest::Client::new().get(format!("{url}/api/v1/query"));
                let asked = asked.query(&[("query", query), ("time", &at(block))]).send().await;
                assert_eq!(asked.unwrap().status(), 200);
            }
            slow.take_asked();
        }
        panel_of(&url, "30m15s", 7 * 24, 1800).await;
        let asked = slow.take_asked();
        let bytes: usize = asked.iter().map(|one| one.bytes).sum();
        eprintln!("a week in {blocks} blocks, {state}: {} requests, {bytes} bytes", asked.len());
        assert!(asked.len() <= most, "{asked:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_week_in_one_block_and_in_seven() {
    assert_few_requests_of_a_week(1).await;
    assert_few_requests_of_a_week(7).await;
}
