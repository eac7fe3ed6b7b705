//! A store-gateway is killed while it answers: another owner of its blocks goes on within the same query.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use latewood_model::Sample;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

use crate::harness::{Answer, Latewood, Written, write};

const START_MS: i64 = 1_700_000_000_000;
const SERIES: usize = 300;
const FLUSHES: i64 = 8;
const SCRAPES: i64 = 200;
const END: f64 = ((START_MS + FLUSHES * SCRAPES * 15_000) / 1000) as f64;
const SUMS: &str = "sum_over_time(noise[12h])";

/// What a store-gateway answers comes through here; beyond so many bytes it is held back.
struct Narrows {
    addr: String,
    /// Bytes that are still let through.
    left: Arc<AtomicUsize>,
    reached: Arc<Notify>,
}

impl Narrows {
    async fn before(grpc_addr: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap().to_string();
        let (left, reached) = (Arc::new(AtomicUsize::new(usize::MAX)), Arc::new(Notify::new()));
        let (to, passed, told) = (grpc_addr.to_owned(), Arc::clone(&left), Arc::clone(&reached));
        tokio::spawn(async move {
            while let Ok((asking, _)) = listener.accept().await {
                // Refused once the process is dead: the connection just ends, as at its own port.
                if let Ok(answering) = TcpStream::connect(&to).await {
                    tokio::spawn(pass(asking, answering, Arc::clone(&passed), Arc::clone(&told)));
                }
            }
        });
        Self { addr, left, reached }
    }
}

/// Both ways until the answering side ends; its bytes as long as any are left, the rest is swallowed.
async fn pass(asking: TcpStream, answering: TcpStream, left: Arc<AtomicUsize>, reached: Arc<Notify>) {
    let ((mut question, mut out), (mut answer, mut on)) = (asking.into_split(), answering.into_split());
    tokio::spawn(async move { tokio::io::copy(&mut question, &mut on).await });
    let mut buffer = vec![0; 16 << 10];
    while let Ok(bytes @ 1..) = answer.read(&mut buffer).await {
        let passes = left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
            (left != usize::MAX).then(|| left.saturating_sub(bytes))
        });
        match passes {
            Ok(left) if left < bytes => reached.notify_one(),
            _ => out.write_all(&buffer[..bytes]).await.unwrap_or(()),
        }
    }
}

/// Values of which none is like another, so that they stay large however they are compressed.
async fn write_noise(ingester: &Latewood, flush: i64) {
    let mut state = flush.unsigned_abs() + 1;
    let mut noise = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1u64 << 53) as f64
    };
    let series = (0..SERIES).map(|instance| -> Written {
        let labels = vec![("__name__", "noise".to_owned()), ("instance", format!("host-{instance:03}"))];
        let first = START_MS + flush * SCRAPES * 15_000;
        let samples =
            (0..SCRAPES).map(|scrape| Sample { timestamp: first + scrape * 15_000, value: noise() });
        (labels, samples.collect())
    });
    let answer = write(&ingester.url, &series.collect::<Vec<_>>()).await.unwrap();
    assert_eq!(answer, (204, String::new()));
    ingester.flush().await;
}

async fn failovers(querier: &Latewood) -> u64 {
    let text = reqwest::get(format!("{}/metrics", querier.url)).await.unwrap().text().await.unwrap();
    let line = text.lines().find(|line| line.starts_with("latewood_querier_store_gateway_failovers_total"));
    line.unwrap().rsplit_once(' ').unwrap().1.parse().unwrap()
}

async fn status_of(querier: &Latewood, parameters: &str) -> (u16, String) {
    let url = format!("{}/api/v1/query?query=count({SUMS})&time={END}{parameters}", querier.url);
    let answer = reqwest::get(url).await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_is_complete_though_a_gateway_is_killed_before_or_in_the_middle_of_its_answer() {
    let folder = tempfile::tempdir().unwrap();
    let bucket = format!("--bucket=file://{}", folder.path().join("bucket").display());
    std::fs::create_dir(folder.path().join("bucket")).unwrap();
    let start = |role: &str, name: &str, flags: &[&str]| {
        Latewood::start_role(role, &folder.path().join(name), &[&[&*bucket], flags].concat())
    };
    let ingester = start("ingester", "ingester", &[]);
    for flush in 0..FLUSHES {
        write_noise(&ingester, flush).await;
    }
    let steady = start("store-gateway", "steady", &[]);
    let ingester_addr = format!("--ingester-addr={}", ingester.grpc_addr);

    // The first batch of an answer has about 500 KB; there are several.
    for (run, bytes) in [1_000, 600_000].into_iter().enumerate() {
        let killed = start("store-gateway", &format!("killed-{run}"), &[]);
        let narrows = Narrows::before(&killed.grpc_addr).await;
        let addrs = [&narrows.addr, &steady.grpc_addr].map(|addr| format!("--store-gateway-addr={addr}"));
        let querier = start("querier", &format!("querier-{run}"), &[&ingester_addr, &addrs[0], &addrs[1]]);
        let whole = Answer::instant(&querier.url, SUMS, END).await.unwrap();
        assert_eq!((whole.0.len(), failovers(&querier).await), (SERIES, 0));

        narrows.left.store(bytes, Ordering::SeqCst);
        let url = querier.url.clone();
        let under_way = tokio::spawn(async move { Answer::instant(&url, SUMS, END).await });
        narrows.reached.notified().await;
        killed.kill();
        assert_eq!(under_way.await.unwrap().as_ref(), Ok(&whole), "killed after {bytes} bytes");
        let during = failovers(&querier).await;
        assert!(during >= 1);
        assert_eq!(Answer::instant(&querier.url, SUMS, END).await.as_ref(), Ok(&whole), "already dead");
        assert!(failovers(&querier).await > during);
        querier.stop();
    }

    let gone = format!("--store-gateway-addr={}", steady.grpc_addr);
    let querier = start("querier", "querier", &[&ingester_addr, &gone]);
    assert_eq!(status_of(&querier, "").await.0, 200);
    steady.kill();
    let (status, body) = status_of(&querier, "").await;
    assert!(status == 503 && body.contains("store-gateway "), "{status} {body}");
    let (status, body) = status_of(&querier, "&partial_response=true").await;
    assert!(status == 200 && body.contains("partial response: store-gateway "), "{status} {body}");
    querier.stop();
    ingester.stop();
}
