//! Names, values and series of a month of blocks at a distance: from indexes, without a sample, and no more than asked for.

use std::sync::Arc;

use latewood_objstore::{Bucket, MemoryBucket};
use latewood_testkit::Asked;
use serde_json::{Value, json};

use crate::cold_panel::{HOUR_MS, SERIES, START_MS, add_block, cold, know_the_catalog};

async fn listed(url: &str, path: &str) -> (Vec<Value>, Value) {
    let answer = reqwest::get(format!("{url}/api/v1/{path}")).await.unwrap();
    let mut body: Value = answer.json().await.unwrap();
    assert_eq!(body["status"], "success", "{path}: {body}");
    (body["data"].as_array().unwrap().clone(), body["warnings"].take())
}

/// Bytes of samples that the bucket was asked for.
fn sample_bytes(asked: &[Asked]) -> usize {
    let samples = asked.iter().filter(|one| one.key.contains("/samples/"));
    samples.map(|one| one.bytes).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn listings_read_no_samples() {
    let bucket: Bucket = Arc::new(MemoryBucket::new());
    for shard in 0..2 {
        add_block(&bucket, shard as u128 + 1, 0..6, shard, 2).await;
    }
    let truncated = json!(["results truncated due to limit"]);
    let range = format!("start={}&end={}", START_MS / 1000, (START_MS + 3 * HOUR_MS) / 1000);
    let some = "match[]=http_requests_total{instance=~\"host-0.*\"}";
    for (path, all) in [
        ("labels?".to_owned(), 3),
        (format!("labels?{some}&{range}"), 3),
        ("label/instance/values?".to_owned(), SERIES),
        (format!("label/instance/values?{some}&{range}"), SERIES),
        ("label/job/values?".to_owned(), SERIES / 1000),
        (format!("series?{some}&{range}"), SERIES),
    ] {
        // Each of them cold.
        let (slow, url) = cold(&bucket).await;
        know_the_catalog(&slow, &url).await;
        let (list, warnings) = listed(&url, &path).await;
        assert_eq!((list.len(), warnings), (all, Value::Null), "{path}");
        let asked = slow.take_asked();
        let bytes = sample_bytes(&asked);
        assert!(bytes == 0 && !asked.is_empty(), "{path}: {bytes} bytes of samples in {asked:#?}");
        let (list, warnings) = listed(&url, &format!("{path}&limit=2")).await;
        assert_eq!((list.len(), warnings), (2, truncated.clone()), "{path}");
    }
    let (slow, url) = cold(&bucket).await;
    let counted = format!("{url}/api/v1/query?query=count(http_requests_total)&time={}", START_MS / 1000);
    assert_eq!(reqwest::get(counted).await.unwrap().status(), 200);
    assert!(sample_bytes(&slow.take_asked()) > 0);
}
