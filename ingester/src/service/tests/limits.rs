//! Limits of tenants on an ingester: what is over them is refused, across freezes and restarts.

use latewood_proto::remote_write::encode::{EncoderV1, compress};

use super::*;

/// Sends a sample of each of some series; returns the status, what is said and how many samples were written.
pub(super) async fn send(node: &Node, series: std::ops::Range<u32>, step: i64) -> (u16, String, u64) {
    let mut encoder = EncoderV1::new();
    for n in series {
        let (name, timestamp) = (n.to_string(), START_MS + step * 15_000);
        let sample = Sample { timestamp, value: f64::from(n) };
        encoder.series([("__name__", "up"), ("n", &*name)], &[sample], &[]);
    }
    let request = Request::post("/api/v1/write")
        .header("content-type", "application/x-protobuf")
        .header("content-encoding", "snappy")
        .body(Body::from(compress(&encoder.finish()).unwrap()))
        .unwrap();
    let answer = node.ingester.routes().oneshot(request).await.unwrap();
    let written = answer.headers()["x-prometheus-remote-write-samples-written"].to_str().unwrap();
    let (status, written) = (answer.status().as_u16(), written.parse().unwrap());
    let body = axum::body::to_bytes(answer.into_body(), 10_000).await.unwrap();
    (status, String::from_utf8(body.to_vec()).unwrap(), written)
}

async fn start(dir: &Path, bucket: &Bucket) -> Node {
    let limit = |config: &mut IngesterConfig| config.limits.max_global_series_per_user = 100;
    Node::start_with(dir, bucket, 4, limit).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenant_has_as_many_series_as_it_may_across_freezes_and_restarts() {
    let (dir, bucket) = (tempfile::tempdir().unwrap(), memory());
    let node = start(dir.path(), &bucket).await;
    assert_eq!(send(&node, 0..100, 0).await.0, 204, "all of them on four shards of one node");
    let (status, text, written) = send(&node, 50..150, 1).await;
    assert_eq!((status, written), (400, 50), "{text}");
    for word in [
        "series_limit (50)",
        "tenant anonymous has 100",
        "max_global_series_per_user",
        "do not send it again",
    ] {
        assert!(text.contains(word), "{text}");
    }
    assert_eq!(node.read(None).await.unwrap().len(), 100);
    // The local blocks have them, the memory has not.
    to_local_blocks(&node).await;
    assert_eq!(send(&node, 100..130, 2).await.2, 0);
    assert_eq!((send(&node, 0..100, 2).await.0, send(&node, 0..130, 3).await.2), (204, 100));
    node.flush().await;
    assert_eq!(send(&node, 0..130, 4).await.2, 100);
    node.ingester.stop().await;
    let node = start(dir.path(), &bucket).await;
    assert_eq!(send(&node, 80..130, 5).await.2, 20);
    node.ingester.stop().await;
}
