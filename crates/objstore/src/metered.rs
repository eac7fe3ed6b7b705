//! Counts requests, their outcomes and durations, and the bytes moved.

use std::future::Future;
use std::ops::Range;
use std::path::Path;

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use latewood_base::Clock;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::{Bucket, BucketError, ObjectClient, ObjectInfo, Usage};

/// Upper bounds of the duration histogram, in seconds.
const BOUNDS: [f64; 12] = [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 60.0, 120.0];

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    operation: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OperationLabels {
    operation: &'static str,
}

#[derive(Clone, Debug)]
struct Metrics {
    requests: Family<RequestLabels, Counter>,
    durations: Family<OperationLabels, Histogram, fn() -> Histogram>,
    read: Counter,
    written: Counter,
}

impl Metrics {
    fn new(registry: &mut Registry) -> Self {
        let metrics = Self {
            requests: Family::default(),
            durations: Family::new_with_constructor(|| Histogram::new(BOUNDS)),
            read: Counter::default(),
            written: Counter::default(),
        };
        registry.register(
            "latewood_bucket_requests",
            "Requests to the bucket, attempts counted one by one",
            metrics.requests.clone(),
        );
        registry.register(
            "latewood_bucket_request_duration_seconds",
            "How long requests to the bucket took, listings left out",
            metrics.durations.clone(),
        );
        registry.register(
            "latewood_bucket_read_bytes",
            "Bytes of objects read from the bucket",
            metrics.read.clone(),
        );
        registry.register(
            "latewood_bucket_written_bytes",
            "Bytes of objects written to the bucket",
            metrics.written.clone(),
        );
        metrics
    }

    fn count<T>(&self, operation: &'static str, result: &Result<T, BucketError>) {
        let outcome = result.as_ref().map_or_else(outcome_of, |_| "ok");
        self.requests.get_or_create(&RequestLabels { operation, outcome }).inc();
    }
}

fn outcome_of(error: &BucketError) -> &'static str {
    match error {
        BucketError::NotFound { .. } => "not_found",
        BucketError::AlreadyExists { .. } => "already_exists",
        BucketError::TooLarge { .. } => "too_large",
        BucketError::Invalid { .. } => "invalid",
        BucketError::Denied { .. } => "denied",
        BucketError::Unavailable { .. } => "unavailable",
    }
}

/// Counts what goes through it.
#[derive(Debug)]
pub(crate) struct Metered {
    inner: Bucket,
    clock: Clock,
    metrics: Metrics,
}

impl Metered {
    pub(crate) fn new(inner: Bucket, clock: Clock, registry: &mut Registry) -> Self {
        Self { inner, clock, metrics: Metrics::new(registry) }
    }

    fn read(&self, bytes: u64) {
        Usage::count_read(bytes);
        self.metrics.read.inc_by(bytes);
    }

    async fn measure<T>(
        &self,
        operation: &'static str,
        request: impl Future<Output = Result<T, BucketError>>,
    ) -> Result<T, BucketError> {
        Usage::count_request();
        let begun = self.clock.elapsed();
        let result = request.await;
        let took = self.clock.elapsed().saturating_sub(begun);
        self.metrics.durations.get_or_create(&OperationLabels { operation }).observe(took.as_secs_f64());
        self.metrics.count(operation, &result);
        result
    }
}

#[async_trait]
impl ObjectClient for Metered {
    async fn put(&self, key: &str, body: Bytes) -> Result<(), BucketError> {
        let size = body.len() as u64;
        self.measure("put", self.inner.put(key, body)).await?;
        self.metrics.written.inc_by(size);
        Ok(())
    }

    async fn put_file(&self, key: &str, file: &Path) -> Result<(), BucketError> {
        self.measure("put_file", self.inner.put_file(key, file)).await?;
        // The upload has just read it, so its size is there; if not, only a count is lost.
        let size = tokio::fs::metadata(file).await.map_or(0, |meta| meta.len());
        self.metrics.written.inc_by(size);
        Ok(())
    }

    async fn create(&self, key: &str, body: Bytes) -> Result<(), BucketError> {
        let size = body.len() as u64;
        self.measure("create", self.inner.create(key, body)).await?;
        self.metrics.written.inc_by(size);
        Ok(())
    }

    async fn get(&self, key: &str, max_bytes: u64) -> Result<Bytes, BucketError> {
        let body = self.measure("get", self.inner.get(key, max_bytes)).await?;
        self.read(body.len() as u64);
        Ok(body)
    }

    async fn get_ranges(&self, key: &str, ranges: &[Range<u64>]) -> Result<Vec<Bytes>, BucketError> {
        let request = self.inner.get_ranges(key, ranges);
        let bodies = self.measure("get_ranges", request).await?;
        let size: u64 = bodies.iter().map(|body| body.len() as u64).sum();
        self.read(size);
        Ok(bodies)
    }

    async fn head(&self, key: &str) -> Result<ObjectInfo, BucketError> {
        self.measure("head", self.inner.head(key)).await
    }

    async fn delete(&self, key: &str) -> Result<(), BucketError> {
        self.measure("delete", self.inner.delete(key)).await
    }

    fn list(
        &self,
        prefix: &str,
        start_after: Option<&str>,
    ) -> BoxStream<'static, Result<ObjectInfo, BucketError>> {
        let metrics = self.metrics.clone();
        let listing = self.inner.list(prefix, start_after);
        Usage::count_request();
        metrics.count("list", &Ok(()));
        let counted = listing.inspect(move |info| {
            if info.is_err() {
                metrics.count("list", info);
            }
        });
        counted.boxed()
    }

    async fn list_folders(&self, prefix: &str) -> Result<Vec<String>, BucketError> {
        self.measure("list_folders", self.inner.list_folders(prefix)).await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::MemoryBucket;

    #[tokio::test]
    async fn requests_are_counted_by_outcome_and_bytes_by_direction() {
        let mut registry = Registry::default();
        let (clock, _) = Clock::manual(0);
        let bucket = Metered::new(Arc::new(MemoryBucket::new()), clock, &mut registry);
        bucket.create("a", Bytes::from_static(b"four")).await.unwrap();
        let taken = bucket.create("a", Bytes::from_static(b"else")).await;
        assert!(taken.is_err());
        bucket.get("a", 10).await.unwrap();
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        for line in [
            r#"latewood_bucket_requests_total{operation="create",outcome="ok"} 1"#,
            r#"latewood_bucket_requests_total{operation="create",outcome="already_exists"} 1"#,
            r#"latewood_bucket_request_duration_seconds_count{operation="create"} 2"#,
            "latewood_bucket_written_bytes_total 4",
            "latewood_bucket_read_bytes_total 4",
        ] {
            assert!(text.contains(line), "{line} is missing in\n{text}");
        }
    }
}
