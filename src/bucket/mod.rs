//! `latewood bucket`: the operator's tools over a whole bucket, named as those of `thanos tools bucket`.
//!
//! Each tool finds what is to be known or done in pure code and does I/O in a thin shell around it. None needs a running
//! Latewood, all may run beside one: what they change they change by commits to catalogs. A tenant that cannot be read
//! keeps no other from being looked at.

mod args;
mod audit;
mod cleanup;
mod columns;
mod downsample;
mod inspect;
mod ls;
mod mark;
mod opened;
mod rebuild;
mod replicate;
mod report;
mod retention;
mod rewrite;
mod status;
mod table;
mod verify;
mod worker;

pub use args::BucketCommand;

use self::opened::Opened;
use self::report::Report;

/// Runs a tool and prints what it found.
///
/// # Errors
/// When the bucket cannot be opened, or the tool found something wrong or left something undone.
pub async fn run(command: BucketCommand) -> anyhow::Result<()> {
    let report = match command {
        BucketCommand::Ls(args) => ls::run(&Opened::open(&args.which).await?, &args).await?,
        BucketCommand::Inspect(args) => inspect::run(&Opened::open(&args.which).await?, &args).await?,
        BucketCommand::Verify(args) => verify::run(&Opened::open(&args.which).await?, &args).await?,
        BucketCommand::Status(args) => status::run(&Opened::open(&args.which).await?, &args).await?,
        BucketCommand::Mark(args) => mark::run(&Opened::open(&args.which).await?, &args).await?,
        BucketCommand::Audit(args) => audit::run(&Opened::open(&args.which).await?, &args).await?,
        BucketCommand::Cleanup(args) => cleanup::run(&Opened::open(&args.which).await?, &args).await?,
        BucketCommand::Rewrite(args) => rewrite::run(&Opened::open(&args.which).await?, &args).await?,
        BucketCommand::Retention(args) => retention::run(&Opened::open(&args.which).await?, &args).await?,
        BucketCommand::Downsample(args) => downsample::run(&Opened::open(&args.which).await?, &args).await?,
        BucketCommand::RebuildCatalog(args) => rebuild::run(&Opened::open(&args.which).await?, &args).await?,
        BucketCommand::Replicate(args) => replicate::run(&Opened::open(&args.which).await?, &args).await?,
    };
    report.print()
}
