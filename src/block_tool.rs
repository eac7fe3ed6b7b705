//! `latewood block`: looking into one block, in a folder or in a bucket.

use std::path::Path;

use anyhow::{Context, bail};
use latewood_base::{Clock, Offload};
use latewood_block::{inspect, verify, views, views_in};
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
        BlockCommand::Views(args) => print!("{}", views_of(&args).await?),
    }
    Ok(())
}

/// The SQL for a block; of a bucket of a service DuckDB reads the files by their URLs.
async fn views_of(args: &BlockArgs) -> anyhow::Result<String> {
    let base = match &args.bucket {
        Some(bucket) => format!("{}/{}", bucket.trim_end_matches('/'), args.block.trim_matches('/')),
        None => args.block.trim_end_matches('/').to_owned(),
    };
    let base = base.strip_prefix("file://").unwrap_or(&base);
    if !base.contains("://") {
        return Ok(views(Path::new(base))?);
    }
    let (bucket, folder) = open(args).await?;
    let sql = views_in(&bucket, &folder, base).await?;
    Ok(format!("{}{sql}", secret(base, args.s3_endpoint.as_deref())))
}

/// How DuckDB is told the credentials of an S3 bucket, as a comment: the keys are the user's to give.
fn secret(base: &str, endpoint: Option<&str>) -> String {
    if !base.starts_with("s3") {
        return String::new();
    }
    let server =
        endpoint.and_then(|endpoint| endpoint.split_once("://")).map_or(String::new(), |(scheme, host)| {
            let (host, ssl) = (host.trim_end_matches('/'), scheme == "https");
            format!(", ENDPOINT '{host}', URL_STYLE 'path', USE_SSL {ssl}")
        });
    format!(
        "-- DuckDB reads s3:// with its extension httpfs, and needs the keys once:\n\
         -- INSTALL httpfs; CREATE SECRET (TYPE s3, KEY_ID '…', SECRET '…'{server});\n"
    )
}

/// The bucket, and the block's key in it. Without a bucket's name a block is named by a path or a URL: the bucket is
/// then the folder that it is in.
async fn open(args: &BlockArgs) -> anyhow::Result<(Bucket, String)> {
    let named = args.block.trim_end_matches('/');
    let (url, folder) = match &args.bucket {
        Some(url) => (url.clone(), named.trim_start_matches('/').to_owned()),
        None => match named.strip_prefix("file://").unwrap_or(named) {
            path if !path.contains("://") => in_folder(path)?,
            url => in_bucket(url)?,
        },
    };
    let config =
        BucketConfig { url: Some(url), s3_endpoint: args.s3_endpoint.clone(), ..BucketConfig::default() };
    Ok((open_bucket(&config, Clock::system(), &mut Registry::default()).await?, folder))
}

fn in_folder(block: &str) -> anyhow::Result<(String, String)> {
    let path = std::fs::canonicalize(block)
        .with_context(|| format!("no block at {block}: name its folder, block=<ULID>"))?;
    let parent = path.parent().with_context(|| format!("{} is no block's folder", path.display()))?;
    let name = path.file_name().with_context(|| format!("{} has no name", path.display()))?;
    Ok((format!("file://{}", parent.display()), name.to_string_lossy().into_owned()))
}

fn in_bucket(block: &str) -> anyhow::Result<(String, String)> {
    let (bucket, name) = block
        .rsplit_once('/')
        .filter(|(bucket, name)| !bucket.ends_with('/') && name.starts_with("block="))
        .with_context(|| format!("{block} names no block: it ends with /block=<ULID>"))?;
    Ok((bucket.to_owned(), name.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_a_bucket_and_a_block_in_it() {
        for (url, bucket) in [("s3://b/p/t/raw/block=1", "s3://b/p/t/raw"), ("gs://b/block=1", "gs://b")] {
            assert_eq!(in_bucket(url).unwrap(), (bucket.to_owned(), "block=1".to_owned()));
        }
        for wrong in ["s3://b/p/raw", "s3://block=1", "s3://b/"] {
            assert!(in_bucket(wrong).unwrap_err().to_string().contains("names no block"), "{wrong}");
        }
    }

    #[test]
    fn duckdb_is_told_where_an_s3_server_is() {
        let comment = secret("s3://b/block=1", Some("http://127.0.0.1:8333/"));
        assert!(comment.contains("ENDPOINT '127.0.0.1:8333', URL_STYLE 'path', USE_SSL false"), "{comment}");
        assert!(comment.lines().all(|line| line.starts_with("--")), "{comment}");
        assert_eq!(secret("gs://b/block=1", None), "");
    }
}
