//! A real Prometheus has its queries answered from here, over remote read.

use latewood_model::Sample;

use crate::harness::{Answer, Latewood, Peers, Prometheus, Written, differences, write};
use crate::histograms::{END_SECONDS, write_all};

/// One replica of an HA pair, which asks for its own label.
const CONFIG: &str = "global: {scrape_interval: 1h, external_labels: {replica: '1'}}
remote_read: [{url: 'SERVER/api/v1/read', read_recent: true}]
";

const EXPRESSIONS: &[&str] = &[
    "native",
    "rate(native[5m])",
    "resets(native[25m])",
    "count_over_time(native[25m])",
    "histogram_quantile(0.9, sum by (kind) (rate(native[10m])))",
    "requests_total",
    "rate(requests_total[5m])",
    "sum(count_over_time({job=~\"a|b\"}[25m]))",
];

/// Two series of a pair of replicas, which came at different times.
fn floats() -> Vec<Written> {
    let pair = [("a", "1"), ("a", "2"), ("b", "1")].into_iter().enumerate();
    let series = pair.map(|(number, (job, replica))| {
        let labels = [("__name__", "requests_total"), ("job", job), ("replica", replica)];
        let sample = |step: i64| Sample {
            timestamp: (END_SECONDS as i64 - 1500 + step * 10) * 1000 + number as i64,
            value: (step * step % 97) as f64,
        };
        (labels.map(|(name, value)| (name, value.to_owned())).to_vec(), (0..150).map(sample).collect())
    });
    series.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_prometheus_reads_back_what_is_here() {
    let Some(peers) = Peers::find() else { return };
    let folder = tempfile::tempdir().unwrap();
    let server = Latewood::start(&folder.path().join("latewood"), &[]);
    write_all(&server).await;
    assert_eq!(write(&server.url, &floats()).await.unwrap(), (204, String::new()));
    let config = CONFIG.replace("SERVER", &server.url);
    let prometheus = Prometheus::start(&peers, folder.path(), &config).await;
    for flushed in [false, true] {
        if flushed {
            server.flush().await;
        }
        for expression in EXPRESSIONS {
            let ours = Answer::instant(&server.url, expression, END_SECONDS).await.unwrap();
            let theirs = Answer::instant(&prometheus.url, expression, END_SECONDS).await.unwrap();
            assert!(ours.len() > 0, "{expression} has no data");
            let differ = differences(&ours, &theirs);
            assert!(differ.is_empty(), "{expression}, flushed: {flushed}: {differ:#?}");
        }
    }
}
