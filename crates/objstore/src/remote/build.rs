//! Makes the client of a service from the settings and the environment.

use std::sync::Arc;

use latewood_base::Rng;
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey, S3ConditionalPut};
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::{ClientOptions, RetryConfig};

use super::{RemoteBucket, Store, error_of};
use crate::backoff::Backoff;
use crate::config::{Encryption, Service};
use crate::{BucketConfig, BucketError};

const DEFAULT_REGION: &str = "us-east-1";
const SSE_TYPE: &str = "aws_server_side_encryption";
const SSE_KEY: &str = "aws_sse_kms_key_id";

/// The client of a service's bucket. Speaks to nobody yet.
pub(crate) fn build(
    config: &BucketConfig,
    service: Service,
    bucket: &str,
    prefix: String,
    rng: Rng,
) -> Result<RemoteBucket, BucketError> {
    let store = match service {
        Service::S3 => s3(config, bucket).build().map(|store| Arc::new(store) as Arc<dyn Store>),
        Service::Google => google(config, bucket),
        Service::Azure => azure(config, bucket),
    };
    let store = store.map_err(|error| error_of("", &error))?;
    let backoff = Backoff::new(config, rng);
    Ok(RemoteBucket::new(store, prefix, service == Service::S3, backoff))
}

type Built = Result<Arc<dyn Store>, object_store::Error>;

fn s3(config: &BucketConfig, bucket: &str) -> AmazonS3Builder {
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
    let builder = builder
        .with_region(region.unwrap_or_else(|| DEFAULT_REGION.to_owned()))
        .with_client_options(options(config, plain));
    // Settings were checked before.
    encrypted(builder, config.encryption().ok().flatten())
}

/// Has S3 encrypt what is written.
fn encrypted(builder: AmazonS3Builder, encryption: Option<Encryption<'_>>) -> AmazonS3Builder {
    match encryption {
        None => builder,
        Some(Encryption::S3) => with(builder, SSE_TYPE, "AES256"),
        Some(Encryption::Kms { key_id, bucket_key }) => {
            let builder = with(builder, SSE_TYPE, "aws:kms").with_bucket_key(bucket_key);
            match key_id {
                Some(id) => with(builder, SSE_KEY, id),
                None => builder,
            }
        }
    }
}

/// Sets what has no type of its own outside of `object_store`.
fn with(builder: AmazonS3Builder, key: &str, value: &str) -> AmazonS3Builder {
    match key.parse::<AmazonS3ConfigKey>() {
        Ok(key) => builder.with_config(key, value),
        Err(_) => builder,
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_of_encryption_is_asked_of_s3() {
        let told = |kind: Option<&str>, key_id: Option<&str>| {
            let config = BucketConfig {
                s3_sse_type: kind.map(str::to_owned),
                s3_sse_kms_key_id: key_id.map(str::to_owned),
                ..BucketConfig::at("s3://b")
            };
            let builder = s3(&config, "b");
            let value = |key: &str| builder.get_config_value(&key.parse().unwrap());
            (value(SSE_TYPE), value(SSE_KEY))
        };
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(told(None, None), (None, None));
        assert_eq!(told(Some("SSE-S3"), None), (some("AES256"), None));
        assert_eq!(told(Some("SSE-KMS"), Some("a-key")), (some("aws:kms"), some("a-key")));
    }
}
