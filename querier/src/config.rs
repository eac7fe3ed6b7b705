//! Settings of the querier.

use latewood_discovery::{DiscoveryConfig, PeerAddr};
use latewood_promql::EngineConfig;
use latewood_proto::store::WireLimits;
use serde::{Deserialize, Serialize};

use crate::{ResultsCacheConfig, SourceResolution};

/// Settings of the querier.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct QuerierConfig {
    /// The PromQL engine: lookback, timeout and limits of one query.
    pub engine: EngineConfig,
    /// gRPC addresses of ingesters in other processes: `host:port`; `dns+name:port`, whose A and AAAA records are one
    /// each; `dnssrv+_grpc._tcp.name`, whose SRV records are. Default none.
    pub ingester_addrs: Vec<PeerAddr>,
    /// gRPC addresses of store-gateways in other processes, likewise. A block is asked of one of them, so that each
    /// holds its share in memory: by its name, which SRV records keep over a restart. Default none.
    pub store_gateway_addrs: Vec<PeerAddr>,
    /// How many of the store-gateways that are known own a block: its first owner is asked, and where that fails the
    /// next one, within the same query. All reach all blocks; the fewer own one, the fewer have it in their caches.
    pub store_gateway_replication_factor: usize,
    /// How those addresses are looked up.
    pub store_sd: DiscoveryConfig,
    /// The fewest ingesters that an answer is complete with: as many as hold samples that are in no block yet. With
    /// fewer known, such as when one has no DNS record while it is restarted, answers lack a source. Of a cluster of
    /// ingesters all nodes count as soon as one of them is known, whether the others are there or not: an answer is
    /// complete if all shards of the cluster are in it, and that the nodes tell.
    pub min_ingesters: usize,
    /// How long a query looks for who leads a shard of a cluster of ingesters, where the one that did does not any more or
    /// cannot be reached, in milliseconds. Then the shard is answered by what is left of it (`allow_stale_reads`), or is a
    /// source that is missing.
    pub ring_patience_ms: u64,
    /// Whether a shard that nobody leads, as most of its replicas are away, is answered by the one that has most of it among
    /// those that are left. Such an answer may lack the samples that came last; a warning says so, and since when. It is taken
    /// after `ring_patience_ms` without a leader, and never kept. Where it may not be, the shard is a source that is missing.
    pub allow_stale_reads: bool,
    /// Bounds on messages between this querier and those processes.
    pub wire: WireLimits,
    /// Queries evaluated at once, and as many listings of series and labels beside them.
    pub max_concurrent_queries: usize,
    /// Queries, and listings, of one tenant that wait for a place, which tenants get by turns; further ones
    /// are refused with 503.
    pub max_outstanding_requests_per_tenant: usize,
    /// The largest form a POST may carry, in bytes.
    pub max_form_bytes: usize,
    /// How long a client may take to send a form, in seconds.
    pub body_timeout_seconds: u64,
    /// The most selectors (`match[]`) of a request; each is a round of all stores. More is refused with 422.
    pub max_selectors: usize,
    /// Whether an answer may lack the data of a source that failed, with a warning, where the request does
    /// not say by `partial_response`. Where they may not, the query fails with 503.
    pub partial_response: bool,
    /// Labels by which the copies of an HA pair differ. Series that are equal but for these are answered as one,
    /// without them, where the request does not say otherwise by `dedup=false` or `replicaLabels[]`; an empty
    /// list leaves all series as they are. Thanos's `--query.replica-label`.
    pub replica_labels: Vec<String>,
    /// How coarse what queries read may be, where a request does not say by Thanos's `max_source_resolution`: `auto`
    /// reads what was downsampled where it gives what samples would; `5m`, `1h` and `1d` also where it does not, with a
    /// warning; `0s` does not unless samples are gone.
    pub max_source_resolution: SourceResolution,
    /// Answers to range queries that are kept, so that a dashboard that is loaded again takes what is new alone. A request
    /// is answered without them, and adds nothing to them, by the header `Cache-Control: no-store` or by `nocache=1`.
    pub results_cache: ResultsCacheConfig,
    /// Batches of series that a selector fetches ahead of the evaluation.
    pub batches_ahead: usize,
    /// The most series, label names or label values that one answer lists; more is refused with 422.
    pub max_listed: usize,
    /// The most samples that a remote read is answered with; more is refused with 422. Prometheus's
    /// `--storage.remote.read-sample-limit`.
    pub remote_read_sample_limit: u64,
    /// The most bytes of an answer to a remote read that is in one piece, before compression; more is refused with 422.
    /// Clients that take chunks, as Prometheus does, have no such limit.
    pub remote_read_max_bytes: usize,
    /// The most bytes of chunks in a frame of a remote read's answer in chunks; a frame has one chunk at least.
    /// Prometheus's `--storage.remote.read-max-bytes-in-frame`.
    pub remote_read_max_bytes_in_frame: usize,
    /// Whether series may be deleted over HTTP: `admin/tsdb/delete_series` and `admin/tsdb/clean_tombstones`. Prometheus's
    /// `--web.enable-admin-api`. It needs the right `admin` where rights are asked for; otherwise whoever may query
    /// a tenant may delete its series then.
    pub enable_admin_api: bool,
    /// The Prometheus release whose API this is, reported by `status/buildinfo`: clients such as Grafana
    /// read it as a version of Prometheus and switch features by it.
    pub prometheus_version: String,
}

impl Default for QuerierConfig {
    fn default() -> Self {
        Self {
            engine: EngineConfig::default(),
            ingester_addrs: Vec::new(),
            store_gateway_addrs: Vec::new(),
            store_gateway_replication_factor: 3,
            store_sd: DiscoveryConfig::default(),
            min_ingesters: 1,
            ring_patience_ms: 5_000,
            allow_stale_reads: true,
            wire: WireLimits::default(),
            max_concurrent_queries: 20,
            max_outstanding_requests_per_tenant: 100,
            max_form_bytes: 10 << 20,
            body_timeout_seconds: 60,
            max_selectors: 1_000,
            partial_response: false,
            replica_labels: ["__replica__", "prometheus_replica", "replica"].map(str::to_owned).into(),
            max_source_resolution: SourceResolution::default(),
            results_cache: ResultsCacheConfig::default(),
            batches_ahead: 2,
            max_listed: 1_000_000,
            remote_read_sample_limit: 50_000_000,
            remote_read_max_bytes: 256 << 20,
            remote_read_max_bytes_in_frame: 1 << 20,
            enable_admin_api: false,
            prometheus_version: "3.5.0".to_owned(),
        }
    }
}

impl QuerierConfig {
    /// Checks what types cannot.
    ///
    /// # Errors
    /// A text that names the field and what it must be.
    pub fn validate(&self) -> Result<(), String> {
        self.engine.validate().map_err(|error| format!("querier.engine.{error}"))?;
        self.wire.validate().map_err(|error| format!("querier.{error}"))?;
        if self.replica_labels.iter().any(String::is_empty) {
            return Err("querier.replica_labels must not hold an empty name".to_owned());
        }
        self.store_sd.validate().map_err(|error| format!("querier.store_sd.{error}"))?;
        self.results_cache.validate().map_err(|error| format!("querier.results_cache.{error}"))?;
        let positive = [
            ("min_ingesters", self.min_ingesters),
            ("store_gateway_replication_factor", self.store_gateway_replication_factor),
            ("max_concurrent_queries", self.max_concurrent_queries),
            ("max_form_bytes", self.max_form_bytes),
            ("batches_ahead", self.batches_ahead),
            ("max_listed", self.max_listed),
            ("max_selectors", self.max_selectors),
            ("remote_read_max_bytes", self.remote_read_max_bytes),
            ("remote_read_max_bytes_in_frame", self.remote_read_max_bytes_in_frame),
            ("body_timeout_seconds", usize::try_from(self.body_timeout_seconds).unwrap_or(usize::MAX)),
        ];
        match positive.iter().find(|(_, value)| *value == 0) {
            Some((name, _)) => Err(format!("querier.{name} must be at least 1")),
            None => Ok(()),
        }
    }
}
