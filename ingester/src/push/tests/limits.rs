//! The rate of a tenant, over HTTP.

use std::time::Duration;

use super::*;

const RATE: &str = r#"{"overrides":{"slow":{"ingestion_rate":2,"ingestion_burst_size":10}}}"#;

fn from(tenant: &str, samples: i64) -> Request<Body> {
    let samples: Vec<Sample> = (0..samples).map(|n| sample(-n, 1.0)).collect();
    let mut request = request(V1, compress(&v1(&[(&[("__name__", "up")], &samples)])).unwrap());
    request.headers_mut().insert("x-scope-orgid", tenant.parse().unwrap());
    request
}

#[tokio::test]
async fn over_the_rate_is_429_with_a_time_to_come_again_and_nothing_stored() {
    let fixture = Fixture::limited(PushConfig::default(), RATE);
    assert_eq!(fixture.send(from("slow", 8)).await.status, 204);
    let answer = fixture.send(from("slow", 7)).await;
    assert_eq!((answer.status, answer.written, answer.retry_after.as_deref()), (429, [0; 3], Some("3")));
    for word in ["tenant slow ", "2 samples a second", "ingestion_rate", "limits.overrides.slow"] {
        assert!(answer.text.contains(word), "{answer:?}");
    }
    assert_eq!(fixture.stored("slow")[0].1.len(), 8);
    assert_eq!(fixture.send(from("other", 5_000)).await.status, 204, "others have no limit");
    fixture.hand.advance(Duration::from_millis(2_500));
    assert_eq!(fixture.send(from("slow", 7)).await.status, 204, "what was refused did not count");
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &fixture.registry).unwrap();
    assert!(text.contains(r#"latewood_ingester_push_refused_total{cause="rate_limited"} 7"#), "{text}");
    assert!(text.contains(r#"status="429"} 1"#), "{text}");
}

#[tokio::test]
async fn a_request_above_the_burst_is_told_that_no_time_helps() {
    let fixture = Fixture::limited(PushConfig::default(), RATE);
    let answer = fixture.send(from("slow", 11)).await;
    assert_eq!((answer.status, answer.retry_after.as_deref()), (429, Some("5")));
    assert!(answer.text.contains("which no later try changes: send smaller requests"), "{answer:?}");
    assert_eq!(fixture.send(from("slow", 10)).await.status, 204);
}

#[tokio::test]
async fn what_a_shard_did_not_take_does_not_count() {
    let fixture =
        Fixture::limited(PushConfig::default(), r#"{"ingestion_rate":1,"ingestion_burst_size":10}"#);
    let of = |name| {
        let samples: Vec<Sample> = (0..10).map(|n| sample(-n, 1.0)).collect();
        v1(&[(&[("__name__", name)], &samples)])
    };
    assert_eq!(fixture.post(V1, &of("unavailable")).await.status, 503);
    assert_eq!(fixture.post(V1, &of("up")).await.status, 204);
    assert_eq!(fixture.post(V1, &of("up")).await.status, 429);
}
