//! The command line of the tools.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use latewood_base::Ulid;
use latewood_model::TenantId;

use crate::cli::PlaceArgs;

/// What can be done with a bucket.
#[derive(Debug, Subcommand)]
pub enum BucketCommand {
    /// List the blocks that the catalogs name
    Ls(LsArgs),
    /// Print sums over tenants and resolutions
    Inspect(InspectArgs),
    /// Compare what the catalogs name with what is there; exit with 1 where something is wrong
    Verify(VerifyArgs),
    /// Print what the compactor would do now, and what waits
    Status(StatusArgs),
    /// Keep blocks from being compacted, remove them from the catalog, or delete a tenant
    Mark(MarkArgs),
    /// List who had what deleted
    Audit(AuditArgs),
    /// Collect garbage once
    Cleanup(CleanupArgs),
    /// Delete series from blocks, and write these anew
    Rewrite(RewriteArgs),
    /// Apply the retention once
    Retention(RetentionArgs),
    /// Make the rollups that are owed
    Downsample(DownsampleArgs),
    /// Make a lost catalog anew from the blocks
    RebuildCatalog(RebuildArgs),
    /// Copy blocks to another bucket, and name them in its catalogs
    Replicate(ReplicateArgs),
}

/// Which bucket, and what of it.
#[derive(Debug, Args)]
pub struct WhichArgs {
    /// Where it is.
    #[command(flatten)]
    pub place: PlaceArgs,
    /// Tenant; give it once for each [default: all]
    #[arg(long, value_name = "TENANT", value_parser = TenantId::new)]
    pub tenant: Vec<TenantId>,
}

/// How it is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// Columns for people.
    #[default]
    Table,
    /// One JSON object a line.
    Json,
}

/// What to list.
#[derive(Debug, Args)]
pub struct LsArgs {
    /// Which bucket.
    #[command(flatten)]
    pub which: WhichArgs,
    /// How it is printed
    #[arg(long, value_enum, default_value_t)]
    pub output: Output,
    /// List the dead blocks instead, with the time since when they are
    #[arg(long)]
    pub dead: bool,
}

/// What to sum up.
#[derive(Debug, Args)]
pub struct InspectArgs {
    /// Which bucket.
    #[command(flatten)]
    pub which: WhichArgs,
    /// How it is printed
    #[arg(long, value_enum, default_value_t)]
    pub output: Output,
}

/// What to check.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// Which bucket.
    #[command(flatten)]
    pub which: WhichArgs,
    /// Read every byte: checksums, order and counts, not sizes alone
    #[arg(long)]
    pub full: bool,
    /// Blocks to check [default: all, and what no catalog names]
    #[arg(value_name = "ID")]
    pub ids: Vec<Ulid>,
}

/// What to tell.
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// Which bucket.
    #[command(flatten)]
    pub which: WhichArgs,
    /// How it is printed
    #[arg(long, value_enum, default_value_t)]
    pub output: Output,
}

/// What to list of deletions.
#[derive(Debug, Args)]
pub struct AuditArgs {
    /// Which bucket.
    #[command(flatten)]
    pub which: WhichArgs,
    /// How it is printed
    #[arg(long, value_enum, default_value_t)]
    pub output: Output,
    /// The most entries of a tenant, the newest
    #[arg(long, value_name = "COUNT", default_value_t = 1_000)]
    pub limit: usize,
}

/// Marks, by Thanos's and Mimir's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Marker {
    /// Compaction leaves the block alone; queries read it.
    #[value(name = "no-compact-mark.json")]
    NoCompact,
    /// The block is removed, and deleted after the deletion delay.
    #[value(name = "deletion-mark.json")]
    Deletion,
    /// The tenant is neither written to nor read, and its blocks are deleted after the deletion delay.
    #[value(name = "tenant-deletion-mark.json")]
    TenantDeletion,
}

/// What to mark.
#[derive(Debug, Args)]
pub struct MarkArgs {
    /// Which bucket.
    #[command(flatten)]
    pub which: WhichArgs,
    /// Block; give it once for each
    #[arg(long, value_name = "ID", required_unless_present = "tenant")]
    pub id: Vec<Ulid>,
    /// The mark: no-compact-mark.json; deletion-mark.json, which removes the block from the catalog; or
    /// tenant-deletion-mark.json, for the tenants that are named
    #[arg(long, value_enum)]
    pub marker: Marker,
    /// Why, for people
    #[arg(long, value_name = "TEXT", required_unless_present = "remove")]
    pub details: Option<String>,
    /// Take the mark off
    #[arg(long)]
    pub remove: bool,
    /// Remove blocks from the catalog, or delete tenants, without asking back
    #[arg(long)]
    pub yes: bool,
}

/// What to collect.
#[derive(Debug, Args)]
pub struct CleanupArgs {
    /// Which bucket.
    #[command(flatten)]
    pub which: WhichArgs,
    /// Print what would be done, and do nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// What to make anew.
#[derive(Debug, Args)]
pub struct RebuildArgs {
    /// Which bucket.
    #[command(flatten)]
    pub which: WhichArgs,
    /// Print what would be done, and do nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// What to copy where.
#[derive(Debug, Args)]
pub struct ReplicateArgs {
    /// Which bucket.
    #[command(flatten)]
    pub which: WhichArgs,
    /// The bucket to copy to
    #[arg(long, value_name = "URL")]
    pub to: String,
    /// Address of its S3 server, where that is not AWS
    #[arg(long, value_name = "URL")]
    pub to_s3_endpoint: Option<String>,
    /// Print what would be done, and do nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// What to delete from which blocks.
#[derive(Debug, Args)]
pub struct RewriteArgs {
    /// Which bucket.
    #[command(flatten)]
    pub which: WhichArgs,
    /// Block; give it once for each
    #[arg(long, value_name = "ID", required = true)]
    pub id: Vec<Ulid>,
    /// What to delete, as YAML: a list of `matchers`, a selector, and `intervals` of `mint` and `maxt` in milliseconds, all
    /// times where there are none
    #[arg(
        long = "rewrite.to-delete-config",
        value_name = "YAML",
        required_unless_present = "to_delete_config_file"
    )]
    pub to_delete_config: Option<String>,
    /// The same in a file
    #[arg(long = "rewrite.to-delete-config-file", value_name = "FILE", conflicts_with = "to_delete_config")]
    pub to_delete_config_file: Option<PathBuf>,
    /// Print what would be done, and do nothing; so it is without --yes
    #[arg(long, conflicts_with = "yes")]
    pub dry_run: bool,
    /// Delete
    #[arg(long, alias = "no-dry-run")]
    pub yes: bool,
}

/// What has outlived its retention.
#[derive(Debug, Args)]
pub struct RetentionArgs {
    /// Which bucket.
    #[command(flatten)]
    pub which: WhichArgs,
    /// How long samples are kept, such as 30d, 0d for ever [default: the configuration's, as of the others]
    #[arg(long = "retention.resolution-raw", value_name = "DURATION", value_parser = seconds)]
    pub raw: Option<u64>,
    /// How long aggregates over five minutes are kept
    #[arg(long = "retention.resolution-5m", value_name = "DURATION", value_parser = seconds)]
    pub five_minutes: Option<u64>,
    /// How long aggregates over one hour are kept
    #[arg(long = "retention.resolution-1h", value_name = "DURATION", value_parser = seconds)]
    pub one_hour: Option<u64>,
    /// How long aggregates over one day are kept
    #[arg(long = "retention.resolution-1d", value_name = "DURATION", value_parser = seconds)]
    pub one_day: Option<u64>,
    /// Print what would be done, and do nothing; so it is without --yes
    #[arg(long, conflicts_with = "yes")]
    pub dry_run: bool,
    /// Remove the blocks
    #[arg(long)]
    pub yes: bool,
}

/// What is owed.
#[derive(Debug, Args)]
pub struct DownsampleArgs {
    /// Which bucket.
    #[command(flatten)]
    pub which: WhichArgs,
    /// Print what would be done, and do nothing
    #[arg(long)]
    pub dry_run: bool,
}

fn seconds(text: &str) -> Result<u64, String> {
    latewood_promql::parse_duration(text).map(|duration| duration.as_secs())
}
