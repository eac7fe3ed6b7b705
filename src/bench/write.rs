//! `latewood bench write`: remote-writes a dataset and measures acknowledgements.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use bytes::Bytes;
use clap::Args;
use latewood_base::Clock;
use latewood_model::Sample;
use latewood_proto::remote_write::encode::{EncoderV1, EncoderV2, compress};
use reqwest::header::CONTENT_TYPE;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::dataset::{Dataset, Row, Shape};
use super::report::{cpu_seconds, memory_bytes, quantile};

/// Flags of `latewood bench write`.
#[derive(Clone, Debug, Args)]
pub struct WriteArgs {
    /// Where to write
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:9009/api/v1/write")]
    pub url: String,
    /// Which dataset
    #[arg(long, value_enum, default_value = "s")]
    pub dataset: Shape,
    /// Its seed
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Cut the dataset down to so many series
    #[arg(long)]
    pub series: Option<usize>,
    /// Cut the dataset down to so many samples a series
    #[arg(long)]
    pub samples: Option<usize>,
    /// Remote write 1 or 2
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=2))]
    pub protocol: u8,
    /// Requests under way at once
    #[arg(long, default_value_t = 4)]
    pub connections: usize,
    /// Samples a request
    #[arg(long, default_value_t = 2000)]
    pub batch: usize,
    /// Time of the first scrape, in seconds since the epoch [default: so that the last one is now]
    #[arg(long)]
    pub start: Option<i64>,
    /// Measure the CPU time and memory of this process, the server's, during the load
    #[arg(long)]
    pub pid: Option<u32>,
}

/// A body that is ready to be sent.
struct Request {
    body: Bytes,
    samples: usize,
}

/// What one connection saw.
#[derive(Default)]
struct Sent {
    samples: usize,
    bytes: usize,
    acks: Vec<Duration>,
}

/// Sends the dataset; requests are encoded ahead of the connections by one task, so that all servers
/// are asked at the same pace.
pub async fn run(args: WriteArgs) -> anyhow::Result<Value> {
    if args.batch == 0 || args.connections == 0 {
        bail!("--batch and --connections must be at least 1");
    }
    let args = Arc::new(args);
    let clock = Clock::system();
    let before = args.pid.map(|pid| (cpu_seconds(pid), memory_bytes(pid, "VmRSS")));
    let (sender, receiver) = mpsc::channel(args.connections * 2);
    let receiver = Arc::new(tokio::sync::Mutex::new(receiver));
    let encoding = tokio::task::spawn_blocking({
        let (args, clock) = (Arc::clone(&args), clock.clone());
        move || encode_all(&args, &clock, &sender)
    });
    let started = clock.elapsed();
    let connections: Vec<_> = (0..args.connections)
        .map(|_| tokio::spawn(connection(Arc::clone(&args), Arc::clone(&receiver), clock.clone())))
        .collect();
    let mut total = Sent::default();
    for connection in connections {
        let sent = connection.await??;
        total.samples += sent.samples;
        total.bytes += sent.bytes;
        total.acks.extend(sent.acks);
    }
    let series = encoding.await??;
    let seconds = (clock.elapsed() - started).as_secs_f64();
    total.acks.sort_unstable();
    let mut report = json!({
        "dataset": format!("{:?}", args.dataset), "protocol": args.protocol, "connections": args.connections,
        "series": series, "samples": total.samples, "requests": total.acks.len(), "bytes": total.bytes,
        "seconds": seconds, "ack_p50": quantile(&total.acks, 0.5), "ack_p99": quantile(&total.acks, 0.99),
    });
    if let (Some(pid), Some((cpu, memory))) = (args.pid, before) {
        let used = cpu_seconds(pid).zip(cpu).map(|(after, before)| after - before);
        let grown =
            memory_bytes(pid, "VmRSS").zip(memory).map(|(after, before)| after.saturating_sub(before));
        report["server_cpu_seconds"] = json!(used);
        report["server_memory_growth"] = json!(grown);
        report["server_memory_peak"] = json!(memory_bytes(pid, "VmHWM"));
    }
    Ok(report)
}

/// Encodes scrape by scrape; returns how many series the dataset has at a time.
fn encode_all(args: &WriteArgs, clock: &Clock, sender: &mpsc::Sender<Request>) -> anyhow::Result<usize> {
    let start_ms =
        args.start.map_or_else(|| clock.now_ms() - args.dataset.span_ms(args.samples), |s| s * 1000);
    let mut dataset = Dataset::new(args.dataset, args.seed, start_ms, args.series, args.samples);
    let (mut rows, mut goes_on) = (Vec::new(), true);
    while goes_on {
        match dataset.next_scrape() {
            Some(scrape) => rows.extend(scrape),
            None => goes_on = false,
        }
        // Scrapes of few series go together.
        let whole = if goes_on { rows.len() - rows.len() % args.batch } else { rows.len() };
        for batch in rows.get(..whole).unwrap_or_default().chunks(args.batch) {
            let body = encode(args.protocol, &dataset, batch);
            let body = Bytes::from(compress(&body)?);
            if sender.blocking_send(Request { body, samples: batch.len() }).is_err() {
                return Ok(dataset.series());
            }
        }
        rows.drain(..whole);
    }
    Ok(dataset.series())
}

fn encode(protocol: u8, dataset: &Dataset, rows: &[Row]) -> Vec<u8> {
    let (mut v1, mut v2) = (EncoderV1::new(), EncoderV2::new());
    for row in rows {
        let labels = dataset.labels(row);
        let labels = labels.iter().map(|(name, value)| (*name, value.as_str()));
        let sample = [Sample { timestamp: row.timestamp, value: row.value }];
        if protocol == 1 {
            v1.series(labels, &sample, &[]);
        } else {
            v2.series(labels, &sample, &[], None);
        }
    }
    if protocol == 1 { v1.finish() } else { v2.finish() }
}

async fn connection(
    args: Arc<WriteArgs>,
    requests: Arc<tokio::sync::Mutex<mpsc::Receiver<Request>>>,
    clock: Clock,
) -> anyhow::Result<Sent> {
    let (content_type, version) = match args.protocol {
        1 => ("application/x-protobuf", "0.1.0"),
        _ => ("application/x-protobuf;proto=io.prometheus.write.v2.Request", "2.0.0"),
    };
    let client = reqwest::Client::new();
    let mut sent = Sent::default();
    loop {
        let Some(request) = requests.lock().await.recv().await else { return Ok(sent) };
        let started = clock.elapsed();
        sent.bytes += request.body.len();
        let answer = client
            .post(&args.url)
            .header(CONTENT_TYPE, content_type)
            .header("Content-Encoding", "snappy")
            .header("X-Prometheus-Remote-Write-Version", version)
            .body(request.body)
            .send()
            .await
            .with_context(|| format!("cannot write to {}", args.url))?;
        let status = answer.status();
        if !status.is_success() {
            bail!("{} answered {status}: {}", args.url, answer.text().await.unwrap_or_default().trim());
        }
        sent.acks.push(clock.elapsed() - started);
        sent.samples += request.samples;
    }
}
