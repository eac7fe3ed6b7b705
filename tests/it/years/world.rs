//! A tenant's years in a bucket in memory, with a compactor, a store-gateway and a querier over it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use futures::StreamExt;
use http::Request;
use latewood_base::{Clock, Ids, ManualClock, Offload, Rng};
use latewood_block::{BlockHeader, BlockWriter, WriterConfig};
use latewood_blockstore::Publisher;
use latewood_catalog::{CatalogConfig, Catalogs, Change, View};
use latewood_compactor::{Compactor, CompactorConfig, CompactorDeps};
use latewood_model::{Resolution, SeriesSamples, TenantId};
use latewood_objstore::{Bucket, MemoryBucket};
use latewood_proto::store::StoreApi;
use latewood_querier::{NamedStore, Querier, QuerierConfig, QuerierDeps, StatusInfo, Stores};
use latewood_store_gateway::{GatewayConfig, StoreGateway};
use prometheus_client::registry::Registry;
use serde_json::Value;
use tempfile::TempDir;
use tower::ServiceExt;

/// The values of series by their labels, with their times in milliseconds.
pub type Matrix = BTreeMap<String, Vec<(i64, f64)>>;

/// A range query's answer.
#[derive(Debug)]
pub struct Answer {
    pub matrix: Matrix,
    pub warnings: Vec<String>,
    /// How many samples, or windows, the steps were made of.
    pub samples: u64,
}

pub struct World {
    bucket: Bucket,
    catalogs: Arc<Catalogs>,
    clock: Clock,
    pub hand: ManualClock,
    pub compactor: CompactorConfig,
    querier: Router,
    dir: TempDir,
}

impl World {
    pub fn new() -> Self {
        let (clock, hand) = Clock::manual(0);
        let bucket: Bucket = Arc::new(MemoryBucket::with_clock(clock.clone()));
        let ids = Ids::new(clock.clone(), Rng::seeded(7));
        let catalogs = Catalogs::new(Arc::clone(&bucket), clock.clone(), ids, CatalogConfig::default());
        let (offload, mut registry) = (Offload::new(2), Registry::default());
        let gateway = StoreGateway::new(
            GatewayConfig::default(),
            Arc::clone(&bucket),
            Arc::clone(&catalogs),
            offload.clone(),
            &mut registry,
        );
        let gateway = NamedStore {
            name: "gateway".into(),
            api: Arc::new(gateway) as Arc<dyn StoreApi>,
            deletion: None,
        };
        let deps = QuerierDeps {
            catalogs: Arc::clone(&catalogs),
            ingesters: Stores::default(),
            gateways: Stores::new([gateway].into()),
            clock: Clock::system(),
            ids: Ids::new(Clock::system(), Rng::system()),
            offload,
            status: StatusInfo::default(),
        };
        let config = QuerierConfig { min_ingesters: 0, ..QuerierConfig::default() };
        Self {
            querier: Querier::new(config, deps, &mut registry).routes(),
            compactor: CompactorConfig::default(),
            dir: tempfile::tempdir().unwrap(),
            bucket,
            catalogs,
            clock,
            hand,
        }
    }

    pub async fn view(&self) -> Arc<View> {
        self.catalogs.tenant(&TenantId::anonymous()).view().await.unwrap()
    }

    /// How many blocks there are of a resolution.
    pub async fn blocks(&self, resolution: Resolution) -> usize {
        self.view().await.blocks.values().filter(|block| block.resolution == resolution).count()
    }

    /// A block as an ingester flushes it.
    pub async fn flush(&self, series: &[SeriesSamples]) {
        let id = Ids::new(self.clock.clone(), Rng::system()).next();
        let header = BlockHeader::new(id, TenantId::anonymous(), Resolution::Raw);
        let dir = self.dir.path().join(header.id.to_string());
        let mut writer = BlockWriter::create(&dir, header, WriterConfig::default()).unwrap();
        series.iter().for_each(|one| writer.push(one, None).unwrap());
        let meta = writer.finish().unwrap();
        let publisher =
            Publisher { bucket: Arc::clone(&self.bucket), offload: Offload::new(2), concurrency: 4 };
        let entry = publisher.publish(&dir, &meta).await.unwrap();
        let change = Change { add: vec![entry], ..Change::default() };
        self.catalogs.tenant(&TenantId::anonymous()).commit(change).await.unwrap();
        std::fs::remove_dir_all(dir).unwrap();
    }

    /// A compactor of its own.
    pub fn compactor(&self) -> Compactor {
        let deps = CompactorDeps {
            bucket: Arc::clone(&self.bucket),
            catalogs: Arc::clone(&self.catalogs),
            clock: self.clock.clone(),
            ids: Ids::new(self.clock.clone(), Rng::system()),
            offload: Offload::new(2),
            scratch_dir: self.dir.path().join("scratch"),
        };
        Compactor::new(&self.compactor, deps, &mut Registry::default()).unwrap()
    }

    /// Asks the API; the answer must be a success.
    pub async fn ask(&self, path: &str, params: &[(&str, &str)]) -> Value {
        let query =
            params.iter().fold(url::form_urlencoded::Serializer::new(String::new()), |mut query, pair| {
                query.append_pair(pair.0, pair.1);
                query
            });
        let uri = format!("/api/v1/{path}?{}", { query }.finish());
        let request = Request::get(uri).body(Body::empty()).unwrap();
        let response = self.querier.clone().oneshot(request).await.unwrap();
        let mut body = response.into_body().into_data_stream();
        let mut bytes = Vec::new();
        while let Some(chunk) = body.next().await {
            bytes.extend_from_slice(&chunk.unwrap());
        }
        let answer: Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(answer["status"], "success", "{path} {params:?}: {answer}");
        answer
    }

    /// A range query with times in milliseconds.
    pub async fn range(&self, query: &str, times: (i64, i64, i64), more: &[(&str, &str)]) -> Answer {
        let seconds = |millis: i64| Duration::from_millis(millis as u64).as_secs_f64().to_string();
        let (start, end, step) = (seconds(times.0), seconds(times.1), seconds(times.2));
        let mut params = vec![
            ("query", query),
            ("start", &start),
            ("end", &end),
            ("step", &step),
            ("stats", "all"),
            ("nocache", "1"),
        ];
        params.extend(more);
        let answer = self.ask("query_range", &params).await;
        let texts = answer["warnings"].as_array().into_iter().flatten();
        Answer {
            matrix: matrix(&answer["data"]["result"]),
            warnings: texts.filter_map(Value::as_str).map(str::to_owned).collect(),
            samples: answer["data"]["stats"]["samples"]["totalQueryableSamples"].as_u64().unwrap(),
        }
    }
}

fn matrix(result: &Value) -> Matrix {
    let point = |point: &Value| {
        let value = point[1].as_str().unwrap().parse().unwrap();
        ((point[0].as_f64().unwrap() * 1000.0).round() as i64, value)
    };
    let of_series = |series: &Value| {
        let labels: BTreeMap<String, String> = serde_json::from_value(series["metric"].clone()).unwrap();
        (format!("{labels:?}"), series["values"].as_array().unwrap().iter().map(point).collect())
    };
    result.as_array().unwrap().iter().map(of_series).collect()
}
