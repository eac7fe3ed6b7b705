//! The configuration: fields only, each role's section owned by its crate; loading and printing.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, bail};
use latewood_catalog::CatalogConfig;
use latewood_compactor::CompactorConfig;
use latewood_ingester::IngesterConfig;
use latewood_objstore::BucketConfig;
use latewood_querier::QuerierConfig;
use latewood_service::{LogConfig, ServiceConfig};
use latewood_store_gateway::GatewayConfig;
use serde::{Deserialize, Serialize};

use crate::cli::{ConfigArgs, QuerierArgs, RoleArgs};

/// What each setting is. `tests/it/configuration.rs` makes it of the doc comments.
const REFERENCE: &str = include_str!("../docs/configuration.md");

/// Everything that can be set. The reference with all fields: docs/configuration.md.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Folder for journal, caches and, unless `bucket.url` says otherwise, the bucket.
    pub data_dir: PathBuf,
    /// Names of Prometheus's experimental features to enable.
    pub enable_features: Vec<String>,
    /// For how long a process that was told to stop says on /ready that it does, and serves all the same, in seconds: until
    /// load balancers have heard of it.
    pub shutdown_delay_seconds: u64,
    /// Where blocks live.
    pub bucket: BucketConfig,
    /// The listeners.
    pub service: ServiceConfig,
    /// The logs.
    pub log: LogConfig,
    /// The catalog of blocks.
    pub catalog: CatalogConfig,
    /// The role that takes remote write.
    pub ingester: IngesterConfig,
    /// The role that answers PromQL.
    pub querier: QuerierConfig,
    /// The role that serves blocks.
    pub store_gateway: GatewayConfig,
    /// The role that tends blocks.
    pub compactor: CompactorConfig,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data_dir: PathBuf::from("./data"),
            enable_features: Vec::new(),
            shutdown_delay_seconds: 0,
            bucket: BucketConfig::default(),
            service: ServiceConfig::default(),
            log: LogConfig::default(),
            catalog: CatalogConfig::default(),
            ingester: IngesterConfig::default(),
            querier: QuerierConfig::default(),
            store_gateway: GatewayConfig::default(),
            compactor: CompactorConfig::default(),
        }
    }
}

impl Config {
    /// Makes the data folder's path whole, and puts the bucket below it where nothing else was said.
    ///
    /// # Errors
    /// When the working folder is gone.
    pub fn locate(&mut self) -> anyhow::Result<()> {
        self.data_dir = std::path::absolute(&self.data_dir)?;
        let below = || format!("file://{}", self.data_dir.join("bucket").display());
        self.bucket.url = Some(self.bucket.url.take().unwrap_or_else(below));
        Ok(())
    }

    fn validate(&self) -> anyhow::Result<()> {
        self.bucket.validate()?;
        self.service.validate().map_err(anyhow::Error::msg)?;
        self.log.validate()?;
        self.catalog.validate()?;
        self.ingester.validate()?;
        self.querier.validate().map_err(anyhow::Error::msg)?;
        self.store_gateway.validate().map_err(anyhow::Error::msg)?;
        self.compactor.validate().map_err(anyhow::Error::msg)?;
        Ok(())
    }
}

/// The file's settings, or the defaults, with the flags over them, checked.
///
/// # Errors
/// A text that names the file, the field and what to do.
pub fn load(args: &RoleArgs) -> anyhow::Result<Config> {
    let mut config = match &args.config {
        Some(file) => {
            let text = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
            parse(&text).with_context(|| format!("in {}", file.display()))?
        }
        None => Config::default(),
    };
    apply_flags(&mut config, args);
    config.validate()?;
    Ok(config)
}

/// The same for the querier, which has flags of its own.
///
/// # Errors
/// As [`load`].
pub fn load_querier(args: &QuerierArgs) -> anyhow::Result<Config> {
    let mut config = load(&args.role)?;
    let querier = &mut config.querier;
    for (flag, addrs) in [
        (&args.ingester_addr, &mut querier.ingester_addrs),
        (&args.store_gateway_addr, &mut querier.store_gateway_addrs),
    ] {
        if !flag.is_empty() {
            addrs.clone_from(flag);
        }
    }
    Ok(config)
}

/// `latewood config`.
///
/// # Errors
/// As [`load`].
pub fn print(args: &ConfigArgs) -> anyhow::Result<()> {
    if args.reference {
        print!("{REFERENCE}");
        return Ok(());
    }
    let config = if args.defaults { Config::default() } else { load(&args.role)? };
    print!("{}", serde_saphyr::to_string(&config)?);
    Ok(())
}

fn apply_flags(config: &mut Config, args: &RoleArgs) {
    let args = args.clone();
    if let Some(data_dir) = args.data_dir {
        config.data_dir = data_dir;
    }
    if let Some(addr) = args.http_addr {
        config.service.http_addr = addr;
    }
    if let Some(addr) = args.grpc_addr {
        config.service.grpc_addr = addr;
    }
    config.service.web_config_file = args.web_config_file.or(config.service.web_config_file.take());
    if let Some(level) = args.log_level {
        config.log.level = level;
    }
    let ring = &mut config.ingester.ring;
    ring.instance_addr = args.ring_instance_addr.or(ring.instance_addr.take());
    if let Some(zone) = args.ring_instance_availability_zone {
        ring.instance_availability_zone = zone;
    }
    config.bucket.url = args.bucket.or(config.bucket.url.take());
    config.bucket.s3_endpoint = args.s3_endpoint.or(config.bucket.s3_endpoint.take());
    config.enable_features.extend(args.enable_feature);
    config.querier.enable_admin_api |= args.enable_admin_api;
    config.compactor.enable_admin_api |= args.enable_admin_api;
    if !args.query_replica_label.is_empty() {
        config.compactor.replica_labels.clone_from(&args.query_replica_label);
        config.querier.replica_labels = args.query_replica_label;
    }
}

fn parse(text: &str) -> anyhow::Result<Config> {
    // With a snippet the message would be there twice, and the hint beside the wrong one.
    let options = serde_saphyr::options! { with_snippet: false };
    match serde_saphyr::from_str_with_options(text, options) {
        Ok(config) => Ok(config),
        Err(error) => {
            let message = error.to_string();
            match nearest_field(&message) {
                Some(nearest) => bail!("{message}; did you mean `{nearest}`?"),
                None => bail!(message),
            }
        }
    }
}

/// Of "unknown field `x`, expected one of a, b", the expected name that is nearest to `x`.
fn nearest_field(message: &str) -> Option<&str> {
    let (_, rest) = message.lines().next()?.split_once("unknown field `")?;
    let (unknown, expected) = rest.split_once("`, expected ")?;
    let names = expected.trim_start_matches("one of ").split(", ");
    names
        .map(|name| name.trim_matches('`'))
        .map(|name| (strsim::jaro_winkler(unknown, name), name))
        .filter(|(likeness, _)| *likeness > 0.7)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[test]
    fn the_printed_defaults_are_read_back() {
        let printed = serde_saphyr::to_string(&Config::default()).unwrap();
        let back = serde_saphyr::to_string(&parse(&printed).unwrap()).unwrap();
        assert_eq!(printed, back);
    }

    #[test]
    fn an_unknown_key_is_refused_and_the_nearest_is_named() {
        let error = parse("service:\n  http_adr: 127.0.0.1:1\n").unwrap_err().to_string();
        assert!(error.contains("http_adr") && error.contains("did you mean `http_addr`?"), "{error}");
        assert_eq!(error.matches("http_adr").count(), 1, "{error}");
        assert!(parse("nonsense: 1\n").is_err());
    }

    #[test]
    fn a_level_that_is_none_is_refused_before_anything_starts() {
        let args = RoleArgs { log_level: Some("banana".to_owned()), ..Default::default() };
        let error = load(&args).unwrap_err().to_string();
        assert!(error.contains("\"banana\"") && error.contains("error, warn, info, debug, trace"), "{error}");
    }

    #[test]
    fn flags_win_over_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("latewood.yaml");
        fs::write(&file, "data_dir: /from/file\nlog: {level: warn}\n").unwrap();
        let args = RoleArgs { config: Some(file), data_dir: Some("/from/flag".into()), ..Default::default() };
        let config = load(&args).unwrap();
        assert_eq!((config.data_dir.to_str(), config.log.level.as_str()), (Some("/from/flag"), "warn"));
    }

    #[test]
    fn where_a_node_is_may_be_said_by_flags_alone() {
        let load = |flags: &[&str]| {
            let cli = crate::cli::Cli::parse_from([&["latewood", "ingester"], flags].concat());
            let crate::cli::Command::Ingester(args) = cli.command else { panic!() };
            load(&args)
        };
        let addr = "--ingester.ring.instance-addr";
        let zone = "--ingester.ring.instance-availability-zone";
        let ring = load(&[addr, "a-0.a:9095", zone, "a"]).unwrap().ingester.ring;
        assert_eq!(
            (ring.instance_addr.as_deref(), &*ring.instance_availability_zone),
            (Some("a-0.a:9095"), "a")
        );
        let ring = load(&[]).unwrap().ingester.ring;
        assert_eq!((ring.instance_addr, &*ring.instance_availability_zone), (None, ""));
        assert!(load(&[addr, "a-0"]).unwrap_err().to_string().contains("instance_addr"));
    }
}
