//! The command line. Flags win over the configuration file.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use latewood_discovery::PeerAddr;
use latewood_service::ListenAddr;

/// Long-term storage for Prometheus metrics, on object storage.
#[derive(Debug, Parser)]
#[command(name = "latewood", version, about)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Roles and tools.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run every role in this process
    All(RoleArgs),
    /// Run the role that takes remote write, keeps the newest samples and writes blocks
    Ingester(RoleArgs),
    /// Run the role that serves blocks from the bucket
    StoreGateway(RoleArgs),
    /// Run the role that answers PromQL, over ingesters and store-gateways of other processes
    Querier(QuerierArgs),
    /// Run the role that tends blocks in the bucket
    Compactor(RoleArgs),
    /// Look into a block
    #[command(subcommand)]
    Block(BlockCommand),
    /// Look after a bucket: nothing need run, and all may run beside it
    #[command(subcommand)]
    Bucket(crate::bucket::BucketCommand),
    /// Import the blocks of a Prometheus or Thanos
    #[command(subcommand)]
    Import(crate::import::ImportCommand),
    /// Print the configuration that would be used, as YAML
    Config(ConfigArgs),
    /// Put load on a Prometheus-compatible server
    #[command(subcommand)]
    Bench(BenchCommand),
}

/// The flags of every role.
#[derive(Clone, Debug, Default, Args)]
pub struct RoleArgs {
    /// Configuration file, YAML
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Folder for journal, caches and, unless --bucket says otherwise, the bucket [default: ./data]
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Where HTTP is served: host:port, or :port for all addresses [default: 127.0.0.1:9009]
    #[arg(long, value_name = "HOST:PORT")]
    pub http_addr: Option<ListenAddr>,
    /// Where gRPC is served, likewise [default: 127.0.0.1:9095]
    #[arg(long, value_name = "HOST:PORT")]
    pub grpc_addr: Option<ListenAddr>,
    /// file:///folder, s3://bucket/prefix, gs://bucket/prefix or az://container/prefix [default: DATA_DIR/bucket]
    #[arg(long, value_name = "URL")]
    pub bucket: Option<String>,
    /// Address of an S3 server that is not AWS, such as http://127.0.0.1:8333
    #[arg(long, value_name = "URL")]
    pub s3_endpoint: Option<String>,
    /// Prometheus's experimental features, separated by commas; an unknown one is warned of
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub enable_feature: Vec<String>,
    /// Let series and tenants be deleted over HTTP; Prometheus's --web.enable-admin-api
    #[arg(long, alias = "web.enable-admin-api")]
    pub enable_admin_api: bool,
    /// Label by which the copies of an HA pair differ in queries; give it once for each [default: __replica__,
    /// prometheus_replica, replica]
    #[arg(long, value_name = "LABEL")]
    pub query_replica_label: Vec<String>,
    /// Where the other ingesters of a cluster reach this one: host:port [default: the machine's name and the gRPC port]
    #[arg(long = "ingester.ring.instance-addr", value_name = "HOST:PORT")]
    pub ring_instance_addr: Option<String>,
    /// What may fail as a whole, such as an availability zone: replicas are in as many as there are
    #[arg(long = "ingester.ring.instance-availability-zone", value_name = "ZONE")]
    pub ring_instance_availability_zone: Option<String>,
    /// TLS, basic auth and headers of HTTP: a file as Prometheus and its exporters take it
    #[arg(long = "web.config.file", value_name = "FILE")]
    pub web_config_file: Option<PathBuf>,
    /// error, warn, info, debug, trace, or directives per module [default: info]
    #[arg(long, value_name = "LEVEL")]
    pub log_level: Option<String>,
}

/// The flags of the querier.
#[derive(Clone, Debug, Default, Args)]
pub struct QuerierArgs {
    /// gRPC address of ingesters; may be repeated: host:port, dns+name:port (A and AAAA records) or
    /// dnssrv+_grpc._tcp.name (SRV records)
    #[arg(long, value_name = "ADDR")]
    pub ingester_addr: Vec<PeerAddr>,
    /// gRPC address of store-gateways, likewise
    #[arg(long, value_name = "ADDR")]
    pub store_gateway_addr: Vec<PeerAddr>,
    /// As for every role
    #[command(flatten)]
    pub role: RoleArgs,
}

/// Where a tool finds the bucket, as a role does.
#[derive(Clone, Debug, Default, Args)]
pub struct PlaceArgs {
    /// Configuration file, YAML, as roles take it
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Folder for what is put together on the way, and of the bucket unless --bucket says otherwise [default: ./data]
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// The bucket of Latewood: file:///folder, s3://bucket/prefix, gs://bucket/prefix or az://container/prefix [default:
    /// DATA_DIR/bucket]
    #[arg(long, value_name = "URL")]
    pub bucket: Option<String>,
    /// Address of an S3 server that is not AWS, such as http://127.0.0.1:8333
    #[arg(long, value_name = "URL")]
    pub s3_endpoint: Option<String>,
}

impl PlaceArgs {
    /// As the flags of a role, for the configuration.
    pub fn role(&self) -> RoleArgs {
        let Self { config, data_dir, bucket, s3_endpoint } = self.clone();
        RoleArgs { config, data_dir, bucket, s3_endpoint, ..RoleArgs::default() }
    }
}

/// What can be done with a block.
#[derive(Debug, Subcommand)]
pub enum BlockCommand {
    /// Print sizes per file and column, counts, and bytes a sample
    Inspect(BlockArgs),
    /// Check every checksum, order and count; exit with 1 where something is wrong
    Verify(BlockArgs),
    /// Print the DuckDB views that join the files to (metric, labels, ts, value)
    Views(BlockArgs),
}

/// Which block.
#[derive(Debug, Args)]
pub struct BlockArgs {
    /// The block: its folder or URL, such as s3://bucket/prefix/tenant/raw/block=<ULID>; its key when --bucket is given
    pub block: String,
    /// The bucket that holds it
    #[arg(long, value_name = "URL")]
    pub bucket: Option<String>,
    /// Address of an S3 server that is not AWS
    #[arg(long, value_name = "URL")]
    pub s3_endpoint: Option<String>,
}

/// Which configuration to print.
#[derive(Debug, Args)]
pub struct ConfigArgs {
    /// Print the defaults alone
    #[arg(long, conflicts_with = "RoleArgs")]
    pub defaults: bool,
    /// Print what each setting is, as Markdown
    #[arg(long, conflicts_with_all = ["defaults", "RoleArgs"])]
    pub reference: bool,
    /// As for a role
    #[command(flatten)]
    pub role: RoleArgs,
}

/// Kinds of load.
#[derive(Debug, Subcommand)]
pub enum BenchCommand {
    /// Remote-write a dataset
    Write(crate::bench::WriteArgs),
    /// Ask queries again and again
    Query(crate::bench::QueryArgs),
}
