//! A constant load of which every acknowledged sample is known.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use latewood_base::{Clock, Shutdown};
use latewood_model::Sample;
use latewood_proto::remote_write::encode::{EncoderV1, compress};

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// Series of a writer; the upper half begins anew again and again.
pub const SERIES: i64 = 20;
/// Between two steps.
pub const STEP_MS: i64 = 100;
/// So many steps has a series of the upper half.
pub const EPOCH: i64 = 100;
/// Writers, each with one request under way, as a shard of Prometheus's queue.
const WRITERS: usize = 4;
/// How long a writer waits before it repeats.
const PAUSE: Duration = Duration::from_millis(30);
/// How long it waits for an answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long writes may stand still before a run has failed.
const STUCK: Duration = Duration::from_secs(60);

/// What a series has at a step, so that a wrong value is seen too.
pub fn value(series: i64, step: i64) -> f64 {
    (step * 1000 + series) as f64
}

/// The label by which a series of the upper half is a new one.
pub fn epoch(series: i64, step: i64) -> i64 {
    if series < SERIES / 2 { 0 } else { step / EPOCH }
}

/// One of the writers.
pub struct Writer {
    /// How many steps are acknowledged: all below.
    acknowledged: watch::Sender<i64>,
    /// When the last was, and the longest pause.
    paused: Mutex<(Instant, Duration)>,
    /// What the last request that failed was told.
    refused: Mutex<String>,
}

/// The load.
pub struct Load {
    /// When step 0 is.
    pub start_ms: i64,
    /// The writers, by number.
    writers: Vec<Writer>,
    urls: Vec<String>,
    clock: Clock,
}

impl Load {
    /// A load that has not begun, on nodes of which the first so many run.
    pub fn new(urls: Vec<String>) -> Arc<Self> {
        let clock = Clock::system();
        let writer = |_| Writer {
            acknowledged: watch::Sender::new(0),
            paused: Mutex::new((Instant::now(), Duration::ZERO)),
            refused: Mutex::default(),
        };
        let start_ms = clock.now_ms() / 1000 * 1000;
        Arc::new(Self { start_ms, writers: (0..WRITERS).map(writer).collect(), urls, clock })
    }

    /// Writes until told to stop.
    pub fn begin(self: &Arc<Self>, stop: &Shutdown) -> Vec<JoinHandle<()>> {
        let write = |writer| {
            let (load, stop) = (Arc::clone(self), stop.child());
            tokio::spawn(async move { load.write(writer, &stop).await })
        };
        (0..WRITERS).map(write).collect()
    }

    /// The writers' numbers.
    pub fn writers(&self) -> std::ops::Range<usize> {
        0..WRITERS
    }

    /// How many steps of a writer are acknowledged.
    pub fn acknowledged(&self, writer: usize) -> i64 {
        *self.writers[writer].acknowledged.borrow()
    }

    /// Waits until each writer has so many more steps acknowledged than now.
    pub async fn advance(&self, steps: i64) {
        let until: Vec<i64> = self.writers().map(|writer| self.acknowledged(writer) + steps).collect();
        for (number, (writer, until)) in self.writers.iter().zip(until).enumerate() {
            let mut seen = writer.acknowledged.subscribe();
            let advanced = tokio::time::timeout(STUCK, seen.wait_for(|steps| *steps >= until)).await;
            let last = writer.refused.lock().unwrap().clone();
            advanced
                .unwrap_or_else(|_| panic!("writer {number} stands still for {STUCK:?}: {last}"))
                .unwrap();
        }
    }

    /// Forgets the pauses until now.
    pub fn forget_pauses(&self) {
        self.writers.iter().for_each(|writer| writer.paused.lock().unwrap().1 = Duration::ZERO);
    }

    /// The longest time that each writer was without an acknowledgement, the shortest first. A writer whose own node hangs or
    /// is cut off waits for its own patience too; the others show what the cluster takes.
    pub fn longest_pauses(&self) -> Vec<Duration> {
        let mut pauses: Vec<_> = self.writers.iter().map(|writer| writer.paused.lock().unwrap().1).collect();
        pauses.sort_unstable();
        pauses
    }

    async fn write(&self, number: usize, stop: &Shutdown) {
        let writer = &self.writers[number];
        let client = reqwest::Client::builder().timeout(PATIENCE).connect_timeout(Duration::from_secs(1));
        let (client, mut node) = (client.build().unwrap(), number);
        writer.paused.lock().unwrap().0 = Instant::now();
        while !stop.has_begun() {
            let step = self.acknowledged(number);
            let early = self.start_ms + step * STEP_MS - self.clock.now_ms();
            tokio::time::sleep(Duration::from_millis(early.try_into().unwrap_or(0))).await;
            match self.send(&client, number, step, node).await {
                Ok(()) => writer.acknowledge(step + 1),
                Err(refused) => {
                    *writer.refused.lock().unwrap() = refused;
                    node += 1;
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    async fn send(
        &self,
        client: &reqwest::Client,
        writer: usize,
        step: i64,
        node: usize,
    ) -> Result<(), String> {
        let url = format!("{}/api/v1/write", self.urls[node % self.urls.len()]);
        let request = client
            .post(&url)
            .header("Content-Type", "application/x-protobuf")
            .header("Content-Encoding", "snappy")
            .header("X-Prometheus-Remote-Write-Version", "0.1.0")
            .body(compress(&self.request(writer, step).finish()).unwrap());
        let answer = request.send().await.map_err(|error| format!("{url}: {error}"))?;
        let status = answer.status();
        let text = answer.text().await.unwrap_or_default();
        assert!(
            status.is_success() || status.is_server_error() || status == 429,
            "writer {writer}, step {step} at {}: {url} refused it for good: {status} {text}",
            self.clock.now_ms()
        );
        if status.is_success() { Ok(()) } else { Err(format!("{url}: {status} {text}")) }
    }

    fn request(&self, writer: usize, step: i64) -> EncoderV1 {
        let mut encoder = EncoderV1::new();
        let (writer, timestamp) = (writer.to_string(), self.start_ms + step * STEP_MS);
        for series in 0..SERIES {
            let (number, epoch) = (series.to_string(), epoch(series, step).to_string());
            let labels =
                [("__name__", "steps"), ("epoch", &*epoch), ("series", &*number), ("writer", &*writer)];
            encoder.series(labels, &[Sample { timestamp, value: value(series, step) }], &[]);
        }
        encoder
    }
}

impl Writer {
    fn acknowledge(&self, steps: i64) {
        let mut paused = self.paused.lock().unwrap();
        let now = Instant::now();
        *paused = (now, paused.1.max(now - paused.0));
        drop(paused);
        self.acknowledged.send_replace(steps);
    }
}
