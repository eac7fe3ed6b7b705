//! Makes the client of a service from the settings and the environment.

use std::sync::Arc;

use latewood_base::Rng;
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey, S3ConditionalPut};
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::{ClientOptions, RetryConfig};

use super::{RemoteBucket, Store, error_of};
use crate::backoff::Backoff;
use crate::config::Service;
use crate::{BucketConfig, BucketError};

const DEFAULT_REGION: &str = "us-east-1";

/// The client of a service's bucket. Speaks to nobody yet.
pub(crate) fn build(
    config: &BucketConfig,
    service: Service,
    bucket: &str,
    prefix: String,
    rng: Rng,
) -> Result<RemoteBucket, BucketError> {
    let store = match service {
        Service::S3 => s3(config, bucket),
        Service::Google => google(config, bucket),
        Service::Azure => azure(config, bucket),
    };
    let store = store.map_err(|error| error_of("", &error))?;
    let backoff = Backoff::new(config, rng);
    Ok(RemoteBucket::new(store, prefix, service == Service::S3, backoff))
}

type Built = Result<Arc<dyn Store>, object_store::Error>;

fn s3(config: &BucketConfig, bucket: &str) -> Built {
    let mut builder = AmazonS3Builder::from_env()
        .with_bucket_name(bucket)
        .with_virtual_hosted_style_request(config.s3_virtual_hosted)
        .with_conditional_put(S3ConditionalPut::ETagMatch)
        .with_retry(no_retries());
    if let Some(endpoint) = &config.s3_endpoint {
        builder = builder.with_endpoint(endpoint.trim_end_matches('/'));
    }
    let endpoint = builder.get_config_value(&AmazonS3ConfigKey::Endpoint);
    let plain = endpoint.is_some_and(|endpoint| endpoint.starts_with("http://"));
    let known = builder
        .get_config_value(&AmazonS3ConfigKey::Region)
        .or_else(|| builder.get_config_value(&AmazonS3ConfigKey::DefaultRegion));
    let region = config.s3_region.clone().or(known);
    builder = builder
        .with_region(region.unwrap_or_else(|| DEFAULT_REGION.to_owned()))
        .with_client_options(options(config, plain));
    Ok(Arc::new(builder.build()?))
}

fn google(config: &BucketConfig, bucket: &str) -> Built {
    let builder = GoogleCloudStorageBuilder::from_env()
        .with_bucket_name(bucket)
        .with_retry(no_retries())
        .with_client_options(options(config, false));
    Ok(Arc::new(builder.build()?))
}

fn azure(config: &BucketConfig, container: &str) -> Built {
    let builder = MicrosoftAzureBuilder::from_env()
        .with_container_name(container)
        .with_retry(no_retries())
        .with_client_options(options(config, false));
    Ok(Arc::new(builder.build()?))
}

fn options(config: &BucketConfig, plain_http: bool) -> ClientOptions {
    ClientOptions::new()
        .with_timeout(config.request_timeout())
        .with_connect_timeout(config.connect_timeout())
        .with_allow_http(plain_http)
}

fn no_retries() -> RetryConfig {
    RetryConfig { max_retries: 0, ..RetryConfig::default() }
}
