//! `latewood block`: looking into one block, in a folder or in a bucket.

use std::path::Path;

use anyhow::{Context, bail};
use latewood_base::{Clock, Offload};
use latewood_block::{inspect, verify, views};
use latewood_objstore::{Bucket, BucketConfig, open_bucket};
use prometheus_client::registry::Registry;

use crate::cli::{BlockArgs, BlockCommand};

/// Runs a block tool and prints what it finds.
///
/// # Errors
/// When the block cannot be read, or `verify` finds it damaged.
pub async fn run(command: BlockCommand) -> anyhow::Result<()> {
    match command {
        BlockCommand::Inspect(args) => {
            let (bucket, folder) = open(&args).await?;
            print!("{}", inspect(&bucket, &folder).await?);
        }
        BlockCommand::Verify(args) => {
            let (bucket, folder) = open(&args).await?;
            let report = verify(&bucket, &folder, &Offload::per_core()).await?;
            println!("{report}");
            if !report.is_whole() {
                bail!("the block is damaged");
            }
        }
        BlockCommand::Views(args) => {
            if args.bucket.is_some() {
                bail!("views are made for a block in a folder: DuckDB reads the files where they are");
            }
            print!("{}", views(Path::new(&args.block))?);
        }
    }
    Ok(())
}

/// The bucket, and the block's key in it; a path is a block in the bucket that its parent folder is.
async fn open(args: &BlockArgs) -> anyhow::Result<(Bucket, String)> {
    let (url, folder) = match &args.bucket {
        Some(url) => (url.clone(), args.block.trim_matches('/').to_owned()),
        None => {
            let path = std::fs::canonicalize(&args.block)
                .with_context(|| format!("no block at {}: name its folder, block=<ULID>", args.block))?;
            let parent = path.parent().with_context(|| format!("{} is no block's folder", path.display()))?;
            let name = path.file_name().with_context(|| format!("{} has no name", path.display()))?;
            (format!("file://{}", parent.display()), name.to_string_lossy().into_owned())
        }
    };
    let config =
        BucketConfig { url: Some(url), s3_endpoint: args.s3_endpoint.clone(), ..BucketConfig::default() };
    Ok((open_bucket(&config, Clock::system(), &mut Registry::default()).await?, folder))
}
