//! The flags of `latewood import`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use latewood_model::{METRIC_NAME, TenantError, TenantId};

use crate::cli::{PlaceArgs, RoleArgs};

/// Whose blocks.
#[derive(Debug, Subcommand)]
pub enum ImportCommand {
    /// Import the blocks of a Prometheus: from its data folder, or from a snapshot of it
    Prometheus(PrometheusArgs),
    /// Import the blocks that Thanos keeps: from a bucket, or from a folder of blocks
    Thanos(ThanosArgs),
}

/// The flags of `latewood import prometheus`.
#[derive(Debug, Args)]
pub struct PrometheusArgs {
    /// The data folder of Prometheus, or a snapshot below it: snapshots/<NAME>. A Prometheus may run on it
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
    /// As for both
    #[command(flatten)]
    pub import: ImportArgs,
}

/// The flags of `latewood import thanos`.
#[derive(Debug, Args)]
pub struct ThanosArgs {
    /// The bucket with Thanos's blocks, s3://bucket/prefix and the like, or a folder of blocks
    #[arg(value_name = "DIR|URL")]
    pub source: String,
    /// Address of the S3 server of that bucket, if it is not AWS
    #[arg(long, value_name = "URL")]
    pub source_s3_endpoint: Option<String>,
    /// As for both
    #[command(flatten)]
    pub import: ImportArgs,
}

/// Flags that all imports have.
#[derive(Clone, Debug, Args)]
pub struct ImportArgs {
    /// Whose samples they become
    #[arg(long, value_name = "TENANT", default_value = TenantId::ANONYMOUS, value_parser = tenant)]
    pub tenant: TenantId,
    /// Label that every series gets, in place of one of that name that it has; may be repeated. Thanos's own external
    /// labels are added without a word
    #[arg(long, value_name = "NAME=VALUE", value_parser = external_label)]
    pub external_label: Vec<(String, String)>,
    /// Say what would be imported, and write nothing into the bucket
    #[arg(long)]
    pub dry_run: bool,
    /// Import blocks again that were imported before and removed since
    #[arg(long)]
    pub again: bool,
    /// Where they go.
    #[command(flatten)]
    pub place: PlaceArgs,
    /// error, warn, info, debug, trace, or directives per module [default: warn]
    #[arg(long, value_name = "LEVEL")]
    pub log_level: Option<String>,
}

impl ImportArgs {
    /// As the flags of a role, for the configuration.
    pub fn role(&self) -> RoleArgs {
        let level = self.log_level.clone().unwrap_or_else(|| "warn".to_owned());
        RoleArgs { log_level: Some(level), ..self.place.role() }
    }
}

fn tenant(text: &str) -> Result<TenantId, TenantError> {
    TenantId::new(text)
}

fn external_label(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        None | Some(("", _) | (_, "")) => Err("it is no NAME=VALUE".to_owned()),
        Some((METRIC_NAME, _)) => Err("the metric's name is not external".to_owned()),
        Some((name, value)) => Ok((name.to_owned(), value.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_external_label_has_a_name_and_a_value() {
        assert_eq!(external_label("a=b=c"), Ok(("a".to_owned(), "b=c".to_owned())));
        for wrong in ["", "a", "=b", "a=", "__name__=up"] {
            assert!(external_label(wrong).is_err(), "{wrong}");
        }
    }
}
