//! Opens the bucket that the settings name.

use std::sync::Arc;

use latewood_base::{Clock, Rng};
use prometheus_client::registry::Registry;

use crate::backoff::Backoff;
use crate::coalesce::Coalescing;
use crate::config::Location;
use crate::limit::Limited;
use crate::metered::Metered;
use crate::retry::Retrying;
use crate::{Bucket, BucketConfig, BucketError, DirectoryBucket, remote};

/// Opens the bucket that the settings name, with retries, limits and metrics around it. Nothing is asked of
/// a service yet: [`crate::probe`] does that. A directory is made where it is missing.
///
/// The metrics are registered once for each call: one bucket for one registry.
///
/// # Errors
/// [`BucketError::Invalid`] when the settings are wrong; [`BucketError::Unavailable`] when a directory
/// cannot be made.
pub async fn open_bucket(
    config: &BucketConfig,
    clock: Clock,
    registry: &mut Registry,
) -> Result<Bucket, BucketError> {
    let invalid = |error: crate::BucketConfigError| BucketError::Invalid {
        key: String::new(),
        message: error.to_string(),
    };
    config.validate().map_err(invalid)?;
    let rng = Rng::system();
    let limit = |inner: Bucket| -> Bucket { Arc::new(Limited::new(inner, config.max_concurrent_requests)) };
    match config.location().map_err(invalid)? {
        Location::Directory(root) => {
            let directory = Arc::new(DirectoryBucket::open(&root, rng).await?);
            Ok(limit(Arc::new(Metered::new(directory, clock, registry))))
        }
        Location::Remote { service, bucket, prefix } => {
            let remote = remote::build(config, service, &bucket, prefix, rng.clone())?;
            Ok(with_decorators(Arc::new(remote), config, clock, rng, registry))
        }
    }
}

/// What a bucket that is reached over a network has around it. From the inside out: each attempt is counted, each
/// takes a place, what waits for its next attempt takes none, and near ranges are one request.
#[must_use]
pub fn with_decorators(
    remote: Bucket,
    config: &BucketConfig,
    clock: Clock,
    rng: Rng,
    registry: &mut Registry,
) -> Bucket {
    let metered = Arc::new(Metered::new(remote, clock, registry));
    let limited = Arc::new(Limited::new(metered, config.max_concurrent_requests));
    let retrying = Retrying::new(limited, Backoff::new(config, rng));
    Arc::new(Coalescing::new(Arc::new(retrying)))
}
