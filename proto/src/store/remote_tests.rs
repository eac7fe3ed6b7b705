//! Local and remote stores look the same: answers bit for bit, errors kind for kind, cancellation too.

use std::sync::Arc;

use async_trait::async_trait;
use futures::{StreamExt, stream};
use hyper_util::rt::TokioIo;
use latewood_base::{ErrorKind, Kinded};
use latewood_model::{FloatRollup, Labels, RollupColumns, SeriesRollups, SeriesSamples};
use parking_lot::Mutex;
use tokio::sync::oneshot;
use tonic::service::Routes;
use tonic::transport::{Channel, Endpoint, Server, Uri};

use super::wire::{
    BucketUsage, Count, ExemplarsRequest, ExemplarsResponse, LabelNamesRequest, LabelStrings,
    LabelValuesRequest, LeaderlessShard, LedShard, MetadataRequest, MetadataResponse, MetricMetadata,
    RingRequest, RingResponse, RollupsRequest, SelectRequest, SeriesExemplars, SpansRequest, SpansResponse,
    StatisticsRequest, StatisticsResponse, TimeSpan, View,
};
use super::{RemoteStore, SelectBatch, SelectStream, StoreApi, StoreError, StoreService, WireLimits};

/// What a tenant's name asks of the store.
struct Scripted {
    /// Dropped together with the stream of the tenant `endless`.
    held: Mutex<Option<oneshot::Sender<()>>>,
}

fn batch(at: i64, samples: usize) -> SelectBatch {
    let payloads = [f64::NAN.to_bits(), 0x7ff0_0000_0000_0002, 0xfff8_dead_beef_0001, 1 << 63];
    let times = (0..samples).map(|index| at + i64::try_from(index).unwrap());
    let series = SeriesSamples {
        labels: Labels::from_pairs([("__name__", "up"), ("ü", "日本")]),
        timestamps: times.collect(),
        values: (0..samples).map(|index| f64::from_bits(payloads[index % 4])).collect(),
        starts: [(at, 7)].into_iter().collect(),
        histograms: Vec::new(),
    };
    SelectBatch { series: vec![series], newest_version: 9, bucket: None }
}

/// A window whose sum is what columns were asked for.
fn rollups(end: i64, columns: u32) -> SelectBatch<SeriesRollups> {
    let window = FloatRollup {
        end,
        count: 1,
        sum: f64::from(columns),
        min: -0.0,
        max: f64::from_bits(0x7ff0_0000_0000_0002),
        first: 1.0,
        last: 2.0,
        first_at: end - 1,
        last_at: end,
        correction: 0.0,
        is_stale: true,
    };
    let series = SeriesRollups {
        labels: Labels::from_pairs([("__name__", "up"), ("ü", "日本")]),
        floats: [window].into_iter().collect(),
        histograms: Vec::new(),
    };
    let bucket = Some(BucketUsage { requests: 2, read_bytes: end.unsigned_abs() });
    SelectBatch { series: vec![series], newest_version: 9, bucket }
}

fn failure(tenant: &str) -> Option<StoreError> {
    match tenant {
        "stale" => Some(StoreError::StaleView { min_version: 77 }),
        "overloaded" => Some(StoreError::new(ErrorKind::Overloaded, "ü: too much")),
        "moved" => Some(StoreError::NotLeader { shards: vec![1024, 7] }),
        "corrupt" => Some(StoreError::new(ErrorKind::Corrupt, "bad block")),
        _ => None,
    }
}

#[async_trait]
impl StoreApi for Scripted {
    async fn select(&self, request: SelectRequest) -> Result<SelectStream, StoreError> {
        let tenant = request.scope.clone().unwrap_or_default().tenant;
        if let Some(error) = failure(&tenant) {
            return Err(error);
        }
        if tenant == "huge" {
            return Ok(stream::iter([Ok(batch(0, 300_000))]).boxed());
        }
        if tenant == "endless" {
            let held = self.held.lock().take();
            let frames = stream::unfold(held, |held| async { Some((Ok(batch(0, 1)), held)) });
            return Ok(frames.boxed());
        }
        if tenant == "shards" {
            let view = request.scope.and_then(|scope| scope.view).unwrap_or_default();
            let batches = view.shards.iter().map(|shard| Ok(batch(i64::from(*shard), 1)));
            return Ok(stream::iter(batches.collect::<Vec<_>>()).boxed());
        }
        let late = failure(tenant.trim_start_matches("late-")).map(Err);
        Ok(stream::iter([Ok(batch(-5, 3)), Ok(batch(5, 4))]).chain(stream::iter(late)).boxed())
    }

    async fn select_rollups(
        &self,
        request: RollupsRequest,
    ) -> Result<SelectStream<SeriesRollups>, StoreError> {
        let tenant = request.scope.unwrap_or_default().tenant;
        if let Some(error) = failure(&tenant) {
            return Err(error);
        }
        let late = failure(tenant.trim_start_matches("late-")).map(Err);
        let batches = [0, 300_000].map(|end| Ok(rollups(end, request.columns)));
        Ok(stream::iter(batches).chain(stream::iter(late)).boxed())
    }

    async fn label_names(&self, request: LabelNamesRequest) -> Result<LabelStrings, StoreError> {
        let values = vec![request.scope.unwrap_or_default().tenant, request.limit.to_string()];
        Ok(LabelStrings { values, newest_version: 3, bucket: None })
    }

    async fn label_values(&self, request: LabelValuesRequest) -> Result<LabelStrings, StoreError> {
        Ok(LabelStrings { values: vec![request.label], newest_version: 3, bucket: None })
    }

    async fn metadata(&self, request: MetadataRequest) -> Result<MetadataResponse, StoreError> {
        let one = MetricMetadata { metric: request.metric, metric_type: 1, ..Default::default() };
        Ok(MetadataResponse { metrics: vec![one], bucket: None })
    }

    async fn exemplars(&self, request: ExemplarsRequest) -> Result<ExemplarsResponse, StoreError> {
        match failure(&request.tenant) {
            Some(error) => Err(error),
            None => Ok(ExemplarsResponse { series: vec![SeriesExemplars::default()] }),
        }
    }

    async fn statistics(&self, request: StatisticsRequest) -> Result<StatisticsResponse, StoreError> {
        let count = Count { name: "up".to_owned(), value: request.limit };
        Ok(StatisticsResponse { series_by_metric: vec![count], ..Default::default() })
    }

    async fn spans(&self, request: SpansRequest) -> Result<SpansResponse, StoreError> {
        let span = TimeSpan { start_ms: -1, end_ms: i64::MAX };
        failure(&request.tenant).map_or(Ok(SpansResponse { spans: vec![span] }), Err)
    }

    async fn ring(&self, _: RingRequest) -> Result<RingResponse, StoreError> {
        let led = vec![LedShard { shard: 1024, term: u64::MAX }];
        let cluster = "01ARZ3NDEKTSV4RRFFQ69G5FAV".to_owned();
        let leaderless = vec![LeaderlessShard { shard: u32::MAX, term: 3, index: 9, silent_ms: None }];
        let shards = vec![1024, u32::MAX];
        Ok(RingResponse { cluster, node: u64::MAX - 1, members: 3, shards, led, leaderless })
    }
}

/// A store and the same store behind gRPC, over a pipe in memory.
async fn local_and_remote(limits: WireLimits) -> ([Arc<dyn StoreApi>; 2], oneshot::Receiver<()>) {
    let (held, dropped) = oneshot::channel();
    let store: Arc<dyn StoreApi> = Arc::new(Scripted { held: Mutex::new(Some(held)) });
    let service = StoreService::server(Arc::clone(&store), &limits);
    let channel = over_a_pipe(Routes::new(service)).await;
    ([store, Arc::new(RemoteStore::new(channel, &limits))], dropped)
}

/// A connection to a server of these services.
async fn over_a_pipe(routes: Routes) -> Channel {
    let (near, far) = tokio::io::duplex(1 << 16);
    let incoming = stream::iter([Ok::<_, std::io::Error>(far)]).chain(stream::pending());
    tokio::spawn(Server::builder().add_routes(routes).serve_with_incoming(incoming));
    let mut near = Some(near);
    let connect = move |_: Uri| {
        let pipe = near.take().map(TokioIo::new);
        async move { pipe.ok_or_else(|| std::io::Error::other("connected once already")) }
    };
    let endpoint = Endpoint::from_static("http://store.test");
    endpoint.connect_with_connector(tower::service_fn(connect)).await.unwrap()
}

fn select(tenant: &str) -> SelectRequest {
    let mut request = SelectRequest::default();
    request.scope.get_or_insert_default().tenant = tenant.to_owned();
    request
}

/// The bits of all samples, or the error's kind and text.
async fn outcome(store: &dyn StoreApi, tenant: &str) -> (Vec<(String, Vec<(i64, u64)>)>, Option<String>) {
    let mut seen = Vec::new();
    let told = |error: StoreError| Some(format!("{:?} {error}", error.kind()));
    let mut batches = match store.select(select(tenant)).await {
        Ok(batches) => batches,
        Err(error) => return (seen, told(error)),
    };
    while let Some(batch) = batches.next().await {
        let batch = match batch {
            Ok(batch) => batch,
            Err(error) => return (seen, told(error)),
        };
        for one in batch.series {
            let samples = one.samples().map(|sample| (sample.timestamp, sample.value.to_bits()));
            seen.push((one.labels.to_string(), samples.collect()));
        }
    }
    (seen, None)
}

#[tokio::test]
async fn selects_and_their_errors_are_the_same_near_and_far() {
    for compress in [true, false] {
        let limits = WireLimits { compress, ..Default::default() };
        let ([local, remote], _) = local_and_remote(limits).await;
        for tenant in
            ["fine", "stale", "overloaded", "corrupt", "moved", "late-stale", "late-corrupt", "late-moved"]
        {
            let (near, far) = (outcome(&*local, tenant).await, outcome(&*remote, tenant).await);
            assert_eq!(near, far, "{tenant}");
            assert_eq!(near.1.is_some(), tenant != "fine");
        }
        let error = remote.select(select("stale")).await.err();
        assert!(matches!(error, Some(StoreError::StaleView { min_version: 77 })));
        let error = remote.select(select("moved")).await.err();
        assert!(matches!(error, Some(StoreError::NotLeader { shards }) if shards == [1024, 7]));
    }
}

#[tokio::test]
async fn the_shards_that_are_asked_for_arrive() {
    let ([local, remote], _) = local_and_remote(WireLimits::default()).await;
    for store in [local, remote] {
        let mut request = select("shards");
        let view = View { shards: vec![3, 1, u32::MAX], ..View::default() };
        request.scope.get_or_insert_default().view = Some(view);
        let batches = store.select(request).await.unwrap();
        let times = batches.map(|batch| batch.unwrap().series[0].timestamps[0]);
        assert_eq!(times.collect::<Vec<i64>>().await, [3, 1, i64::from(u32::MAX)]);
    }
}

#[tokio::test]
async fn a_server_that_does_not_know_a_call_does_not_support_it() {
    let remote = RemoteStore::new(over_a_pipe(Routes::default()).await, &WireLimits::default());
    assert_eq!(remote.ring(RingRequest {}).await.unwrap_err().kind(), ErrorKind::Unsupported);
}

/// The windows, versions and usage of all batches, and the error's kind and text.
async fn rollups_outcome(
    store: &dyn StoreApi,
    tenant: &str,
) -> (Vec<(String, Vec<FloatRollup>, u64, Option<BucketUsage>)>, Option<String>) {
    let mut request = RollupsRequest { columns: RollupColumns::ALL.bits(), ..Default::default() };
    request.scope.get_or_insert_default().tenant = tenant.to_owned();
    let mut seen = Vec::new();
    let told = |error: StoreError| Some(format!("{:?} {error}", error.kind()));
    let mut batches = match store.select_rollups(request).await {
        Ok(batches) => batches,
        Err(error) => return (seen, told(error)),
    };
    while let Some(batch) = batches.next().await {
        let batch = match batch {
            Ok(batch) => batch,
            Err(error) => return (seen, told(error)),
        };
        for one in batch.series {
            let windows = one.floats.iter().collect();
            seen.push((one.labels.to_string(), windows, batch.newest_version, batch.bucket));
        }
    }
    (seen, None)
}

#[tokio::test]
async fn selects_of_windows_are_the_same_near_and_far() {
    let ([local, remote], _) = local_and_remote(WireLimits::default()).await;
    for tenant in ["fine", "stale", "overloaded", "corrupt", "late-stale", "late-corrupt"] {
        let (near, far) = (rollups_outcome(&*local, tenant).await, rollups_outcome(&*remote, tenant).await);
        assert_eq!(near, far, "{tenant}");
        let comes = tenant == "fine" || tenant.starts_with("late-");
        assert_eq!((near.0.len(), near.1.is_some()), (if comes { 2 } else { 0 }, tenant != "fine"));
    }
}

#[tokio::test]
async fn the_other_calls_are_the_same_near_and_far() {
    let ([local, remote], _) = local_and_remote(WireLimits::default()).await;
    let mut answers = Vec::new();
    for store in [local, remote] {
        let names = LabelNamesRequest { limit: 4, ..Default::default() };
        let values = LabelValuesRequest { label: "job".to_owned(), ..Default::default() };
        let metadata = MetadataRequest { metric: "up".to_owned(), ..Default::default() };
        let exemplars = ExemplarsRequest { tenant: "a".to_owned(), ..Default::default() };
        let statistics = StatisticsRequest { limit: 5, ..Default::default() };
        answers.push((
            store.label_names(names).await.unwrap(),
            store.label_values(values).await.unwrap(),
            store.metadata(metadata).await.unwrap(),
            store.exemplars(exemplars).await.unwrap(),
            store.statistics(statistics).await.unwrap(),
            store.spans(SpansRequest { tenant: "a".to_owned(), view: None }).await.unwrap(),
            store.ring(RingRequest {}).await.unwrap(),
        ));
        let stale = store.spans(SpansRequest { tenant: "stale".to_owned(), view: None }).await;
        assert!(matches!(stale, Err(StoreError::StaleView { min_version: 77 })));
        let failing = ExemplarsRequest { tenant: "overloaded".to_owned(), ..Default::default() };
        let error = store.exemplars(failing).await.unwrap_err();
        assert_eq!((error.kind(), error.to_string()), (ErrorKind::Overloaded, "ü: too much".to_owned()));
    }
    assert_eq!(answers[0], answers[1]);
}

#[tokio::test]
async fn dropping_a_remote_stream_drops_the_store_s_stream() {
    let ([_, remote], dropped) = local_and_remote(WireLimits::default()).await;
    let mut frames = remote.select(select("endless")).await.unwrap();
    assert!(frames.next().await.unwrap().is_ok());
    drop(frames);
    assert!(dropped.await.is_err());
}

#[tokio::test]
async fn a_message_above_the_limit_is_refused_as_too_large() {
    let limits = WireLimits { max_message_bytes: 1 << 20, compress: true };
    let ([_, remote], _) = local_and_remote(limits).await;
    let (seen, error) = outcome(&*remote, "huge").await;
    assert_eq!(seen, []);
    assert!(error.unwrap().starts_with("TooLarge"));
}

#[tokio::test]
async fn a_store_that_is_gone_is_unavailable() {
    let channel = Endpoint::from_static("http://127.0.0.1:1").connect_lazy();
    let remote = RemoteStore::new(channel, &WireLimits::default());
    let error = remote.select(select("a")).await.err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
}
