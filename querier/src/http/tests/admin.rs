//! `admin/tsdb/*`.

use async_trait::async_trait;
use latewood_base::ErrorKind;
use latewood_proto::deletion::DeletionApi;
use latewood_proto::deletion::wire::{
    CleanRequest, CleanResponse, CommitRequest, CommitResponse, LogRequest, LogResponse, ShardGeneration,
};
use parking_lot::Mutex;

use super::*;
use crate::NamedStore;

/// An ingester that notes what it is told to delete, and fails as it is told to.
struct Deleting {
    shard: u32,
    asked: Arc<Mutex<Vec<String>>>,
    fails: &'static str,
}

impl Deleting {
    fn called(&self, what: &str) -> Result<(), StoreError> {
        self.asked.lock().push(format!("{what} {}", self.shard));
        let error = StoreError::new(ErrorKind::Unavailable, "the disk is full");
        if self.fails == what { Err(error) } else { Ok(()) }
    }
}

#[async_trait]
impl DeletionApi for Deleting {
    async fn log(&self, request: LogRequest) -> Result<LogResponse, StoreError> {
        assert_eq!((request.tenant.as_str(), request.selections.len()), ("team", 2));
        self.called("log")?;
        Ok(LogResponse { open: vec![ShardGeneration { shard: self.shard, generation: 7 }] })
    }

    async fn commit(&self, request: CommitRequest) -> Result<CommitResponse, StoreError> {
        self.called("commit")?;
        assert_eq!((request.open.len(), request.requested_by.as_str()), (2, "x-forwarded-user=ann"));
        let one = &request.selections[0];
        assert_eq!((one.start_ms, one.end_ms, one.conditions.len()), (1_000, 2_500, 2));
        Ok(CommitResponse { version: 0 })
    }

    async fn clean(&self, request: CleanRequest) -> Result<CleanResponse, StoreError> {
        assert_eq!(
            (request.tenant.as_str(), request.requested_by.as_str()),
            ("team", "x-forwarded-user=ann")
        );
        self.called("clean")?;
        Ok(CleanResponse { waiting: 3 })
    }
}

/// A server over two ingesters that fail so, and what they are asked.
fn server(enabled: bool, fails: [&'static str; 2]) -> (Server, Arc<Mutex<Vec<String>>>) {
    let asked = Arc::<Mutex<Vec<String>>>::default();
    let ingester = |(shard, fails): (u32, &'static str)| NamedStore {
        name: shard.to_string().into(),
        api: data().shared(),
        deletion: Some(Arc::new(Deleting { shard, asked: Arc::clone(&asked), fails })),
    };
    let config = QuerierConfig { enable_admin_api: enabled, ..QuerierConfig::default() };
    let ingesters = (0..).zip(fails).map(ingester).collect();
    (Server::of(config, Stores::new(ingesters)), asked)
}

async fn send(server: &Server, method: &str, body: &str) -> (u16, String) {
    send_to(server, method, "delete_series", body).await
}

async fn send_to(server: &Server, method: &str, route: &str, body: &str) -> (u16, String) {
    let request = Request::builder().method(method).uri(format!("/api/v1/admin/tsdb/{route}"));
    let request = request.header("X-Scope-OrgID", "team").header("X-Forwarded-User", "ann");
    let request = request.header("content-type", "application/x-www-form-urlencoded");
    let (status, body) = server.send(request.body(Body::from(body.to_owned())).unwrap()).await;
    (status.as_u16(), body)
}

const FORM: &str = "match[]=up{job=\"a\"}&match[]=down&start=1&end=2.5";

#[tokio::test]
async fn all_ingesters_log_and_one_commits() {
    for method in ["POST", "PUT"] {
        let (server, asked) = server(true, ["", ""]);
        assert_eq!(send(&server, method, FORM).await, (204, String::new()));
        assert_eq!(*asked.lock(), ["log 0", "log 1", "commit 0"]);
    }
}

#[tokio::test]
async fn what_fails_in_between_is_told_and_nothing_is_committed_that_is_not_logged() {
    let (failing, asked) = server(true, ["", "log"]);
    let (status, body) = send(&failing, "POST", FORM).await;
    assert_eq!(status, 503, "{body}");
    assert!(body.contains("ingester 1: the disk is full; series may be deleted in part"), "{body}");
    assert!(!asked.lock().iter().any(|call| call.starts_with("commit")));
    let (half, asked) = server(true, ["commit", ""]);
    assert_eq!(send(&half, "POST", FORM).await.0, 204, "the next one commits");
    assert_eq!(asked.lock().last().unwrap(), "commit 1");
    let (failing, _) = server(true, ["commit", "commit"]);
    assert_eq!(send(&failing, "POST", FORM).await.0, 503);
}

#[tokio::test]
async fn refusals_are_prometheuses() {
    let (off, asked) = server(false, ["", ""]);
    let error = r#"{"status":"error","errorType":"unavailable","error":"admin APIs disabled"}"#;
    assert_eq!(send(&off, "POST", FORM).await, (500, error.to_owned()));
    let (on, asked_on) = server(true, ["", ""]);
    let error = r#"{"status":"error","errorType":"bad_data","error":"no match[] parameter provided"}"#;
    assert_eq!(send(&on, "POST", "start=1").await, (400, error.to_owned()));
    for (form, part) in [
        ("match[]=sum(up)", r#"invalid parameter \"match[]\": "#),
        ("match[]={}", "match[]"),
        ("match[]=up&start=x", r#"invalid parameter \"start\": "#),
    ] {
        let (status, body) = send(&on, "POST", form).await;
        assert!(status == 400 && body.contains(part), "{form}: {status} {body}");
    }
    assert_eq!(on.get("/api/v1/admin/tsdb/delete_series").await.0, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(send(&on, "POST", "match[]=up&start=2&end=1").await.0, 204, "nothing is nothing");
    assert!(asked.lock().is_empty() && asked_on.lock().is_empty());
}

#[tokio::test]
async fn one_ingester_has_the_tombstones_cleaned() {
    let (server, asked) = server(true, ["clean", ""]);
    assert_eq!(send_to(&server, "POST", "clean_tombstones", "").await, (204, String::new()));
    assert_eq!(*asked.lock(), ["clean 0", "clean 1"]);
}
