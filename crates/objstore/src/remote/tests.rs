//! Tests of the remote bucket over `object_store`'s in-memory store; the services themselves are tested by
//! the conformance suite against real ones.

use latewood_base::Rng;
use object_store::memory::InMemory;

use super::*;
use crate::{BucketConfig, conformance};

fn bucket(prefix: &str, conflict_is_transient: bool) -> RemoteBucket {
    let backoff = Backoff::new(&BucketConfig::default(), Rng::seeded(1));
    let store = Arc::new(InMemory::new());
    let bucket = RemoteBucket::new(store, prefix.to_owned(), conflict_is_transient, backoff);
    RemoteBucket {
        // The in-memory store panics on parts out of order.
        upload_concurrency: 1,
        ..bucket
    }
}

#[tokio::test]
async fn conforms_with_and_without_a_prefix() {
    let (clock, _) = latewood_base::Clock::manual(0);
    let ids = latewood_base::Ids::new(clock, Rng::seeded(2));
    for prefix in ["", "some/prefix"] {
        let bucket: crate::Bucket = Arc::new(bucket(prefix, false));
        conformance::check(&bucket, &ids).await;
    }
}

#[tokio::test]
async fn a_conflict_that_is_no_failed_precondition_leaves_the_outcome_open() {
    let conflict = |source: Box<dyn std::error::Error + Send + Sync>| object_store::Error::AlreadyExists {
        path: "k".to_owned(),
        source,
    };
    let precondition = object_store::Error::Precondition { path: "k".to_owned(), source: "412".into() };
    let bucket = bucket("", true);
    let taken = bucket.create_error("k", &conflict(Box::new(precondition)));
    assert!(matches!(taken, BucketError::AlreadyExists { .. }), "{taken:?}");
    let open = bucket.create_error("k", &conflict("409".into()));
    assert!(matches!(open, BucketError::Unavailable { .. }), "{open:?}");
}

#[test]
fn an_error_tells_all_its_causes_once() {
    let refused = std::io::Error::from_raw_os_error(111);
    let told = refused.to_string();
    let inner = object_store::Error::Generic { store: "S3", source: Box::new(refused) };
    let error = error_of("k", &object_store::Error::Generic { store: "S3", source: Box::new(inner) });
    assert_eq!(error.to_string().matches(&told).count(), 1, "{error}");
}

#[test]
fn without_credentials_the_error_says_which_variables_to_set() {
    let source = "Error performing PUT http://169.254.169.254/latest/api/token in 1ms: timed out";
    let error = error_of("k", &object_store::Error::Generic { store: "S3", source: source.into() });
    assert!(matches!(error, BucketError::Unavailable { .. }), "{error:?}");
    assert!(error.to_string().contains("set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"), "{error}");
}
