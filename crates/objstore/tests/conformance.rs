//! The conformance suite over the buckets that need nothing installed, and over whatever bucket the
//! environment names.

use std::sync::Arc;

use latewood_base::{Clock, Ids, Rng};
use latewood_objstore::{Bucket, BucketConfig, MemoryBucket, conformance, open_bucket, probe};
use prometheus_client::registry::Registry;

fn ids() -> Ids {
    Ids::new(Clock::system(), Rng::system())
}

async fn check(bucket: Bucket) {
    probe(&bucket, &ids()).await.expect("the bucket is fit");
    conformance::check(&bucket, &ids()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_bucket_in_memory_conforms() {
    check(Arc::new(MemoryBucket::new())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_directory_conforms() {
    let folder = tempfile::tempdir().unwrap();
    let config = BucketConfig::at(&format!("file://{}/bucket", folder.path().display()));
    let bucket = open_bucket(&config, Clock::system(), &mut Registry::default()).await;
    check(bucket.unwrap()).await;
}

/// `LATEWOOD_TEST_BUCKET=s3://bucket LATEWOOD_TEST_S3_ENDPOINT=http://host:port` with `AWS_*` credentials.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_bucket_of_the_environment_conforms() {
    let Ok(url) = std::env::var("LATEWOOD_TEST_BUCKET") else {
        return;
    };
    let config = BucketConfig {
        s3_endpoint: std::env::var("LATEWOOD_TEST_S3_ENDPOINT").ok(),
        ..BucketConfig::at(&format!("{url}/{}", ids().next()))
    };
    let bucket = open_bucket(&config, Clock::system(), &mut Registry::default()).await;
    check(bucket.unwrap()).await;
}
