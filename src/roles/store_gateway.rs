//! The store-gateway in this process.

use std::sync::Arc;

use latewood_objstore::Bucket;
use latewood_store_gateway::{CachingBucket, StoreGateway};

use super::{Context, Started};

/// The folder of the cache, below the data folder.
const CACHE_FOLDER: &str = "store-gateway-cache";

/// Starts it: blocks are opened when they are asked for.
pub async fn start(context: &mut Context, started: &mut Started) -> anyhow::Result<()> {
    let bucket = cached(context).await?;
    let gateway = StoreGateway::new(
        context.config.store_gateway.clone(),
        bucket,
        Arc::clone(&context.catalogs),
        context.offload.clone(),
        &mut context.registry,
    );
    started.blocks = Some(Arc::new(gateway));
    Ok(())
}

/// The bucket with a cache before it, unless it is a folder, whose file system has one.
async fn cached(context: &mut Context) -> anyhow::Result<Bucket> {
    let (bucket, cache) = (context.bucket.clone(), &context.config.store_gateway.cache);
    if context.config.bucket.is_folder() || !cache.is_on() {
        return Ok(bucket);
    }
    let folder = context.config.data_dir.join(CACHE_FOLDER);
    Ok(Arc::new(CachingBucket::open(bucket, cache, &folder, &mut context.registry).await?))
}
