//! The servers that are compared.

use std::path::Path;
use std::time::Duration;

use crate::harness::process::Process;
use crate::harness::{Answer, Latewood, Peers, Prometheus};
use crate::load::Load;
use crate::query::request;
use crate::questions::{Api, Question};
use crate::report::cpu_seconds;
use crate::victoria_metrics::VictoriaMetrics;

/// A server and the protocol that is spoken to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Latewood, remote write 1.0
    Latewood,
    /// Latewood, remote write 2.0
    Latewood2,
    /// Prometheus, remote write 1.0
    Prometheus,
    /// VictoriaMetrics, remote write 1.0
    VictoriaMetrics,
}

impl Kind {
    /// All, in the order of their turns.
    pub const ALL: [Self; 4] = [Self::Latewood, Self::Prometheus, Self::VictoriaMetrics, Self::Latewood2];

    /// As the table's heads say.
    pub fn name(self) -> &'static str {
        match self {
            Self::Latewood => "Latewood, 1.0",
            Self::Latewood2 => "Latewood, 2.0",
            Self::Prometheus => "Prometheus",
            Self::VictoriaMetrics => "VictoriaMetrics",
        }
    }

    /// Whether a start after kill -9 has a log to replay. VictoriaMetrics loses the last seconds instead.
    pub fn has_log(self) -> bool {
        self != Self::VictoriaMetrics
    }

    /// The version of remote write.
    pub fn protocol(self) -> u8 {
        if self == Self::Latewood2 { 2 } else { 1 }
    }
}

/// A running server.
pub struct Server {
    kind: Kind,
    process: Process,
    /// `http://host:port`
    pub url: String,
}

impl Server {
    /// Starts it on its data in `folder` and waits until it is ready.
    pub async fn start(peers: &Peers, kind: Kind, folder: &Path) -> Self {
        let (process, url) = match kind {
            Kind::Latewood | Kind::Latewood2 => {
                let server = Latewood::start(&folder.join("latewood"), &[]);
                (server.process, server.url)
            }
            Kind::Prometheus => {
                let server = Prometheus::start(peers, folder, "global: {}\n").await;
                (server.process, server.url)
            }
            Kind::VictoriaMetrics => {
                let server = VictoriaMetrics::start(peers, folder).await;
                (server.process, server.url)
            }
        };
        Self { kind, process, url }
    }

    /// Its number for the kernel.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// kill -9.
    pub fn kill(mut self) {
        self.process.kill();
    }

    /// Waits until what was acknowledged is stored as this server stores it.
    pub async fn settle(&self) {
        if self.kind == Kind::VictoriaMetrics {
            let answer = reqwest::get(format!("{}/internal/force_flush", self.url)).await.unwrap();
            assert!(answer.status().is_success());
        }
    }

    /// Waits until it has all samples: VictoriaMetrics indexes new series behind.
    pub async fn wait_for(&self, load: &Load) {
        let (expected, mut samples) = (load.total(), 0);
        for _ in 0..60 {
            samples = self.samples(load).await;
            if samples == expected {
                return;
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        panic!("{} has {samples} of {expected} samples", self.kind.name());
    }

    /// Puts what is in memory where old samples are. Prometheus does so while they come, VictoriaMetrics has no choice.
    pub async fn store(&self) {
        if self.kind == Kind::Latewood {
            let url = format!("{}/api/v1/admin/flush?wait=true", self.url);
            let answer = reqwest::Client::new().post(url).send().await.unwrap();
            assert!(answer.status().is_success());
        }
    }

    /// Waits until it has nothing left to do.
    pub async fn rest(&self) {
        let (mut before, mut quiet) = (cpu_seconds(self.pid()).unwrap(), 0);
        while quiet < 3 {
            tokio::time::sleep(Duration::from_secs(1)).await;
            let now = cpu_seconds(self.pid()).unwrap();
            quiet = if now - before < 0.05 { quiet + 1 } else { 0 };
            before = now;
        }
    }

    /// Asks for a range and throws the answer away.
    pub async fn ask_raw(&self, query: &str, (start, end, step): (f64, f64, f64)) {
        let [start, end, step] = [start, end, step].map(|number| number.to_string());
        let form = [("query", query), ("start", &start), ("end", &end), ("step", &step)];
        let answer = reqwest::Client::new().post(format!("{}/api/v1/query_range", self.url)).form(&form);
        let answer = answer.send().await.unwrap().error_for_status().unwrap();
        answer.bytes().await.unwrap();
    }

    /// Asks, caches switched off, and throws the answer away.
    pub async fn ask(&self, question: &Question, load: &Load) {
        let (path, form) = request(question, load);
        let url = format!("{}/api/v1/{path}", self.url);
        let client = reqwest::Client::new();
        // The values of a label are to be had by GET alone.
        let asked = match question.api {
            Api::LabelValues => client.get(url).query(&form),
            _ => client.post(url).form(&form),
        };
        let answer = asked.send().await.unwrap().error_for_status().unwrap();
        answer.bytes().await.unwrap();
    }

    /// Asks, and reads the answer.
    pub async fn answer(&self, question: &Question, load: &Load) -> Answer {
        let (path, form) = request(question, load);
        let url = format!("{}/api/v1/{path}", self.url);
        let answer = match question.api {
            Api::LabelValues => Answer::get(&url, &form).await,
            _ => Answer::post(&url, &form).await,
        };
        answer.unwrap_or_else(|error| panic!("{}: {}: {error}", self.kind.name(), question.text))
    }

    /// How many samples of the dataset it has, asked name by name so that no limit is met.
    async fn samples(&self, load: &Load) -> usize {
        let names = (0..17).map(|kind| match kind {
            0..9 => format!("http_requests_{kind}_total"),
            _ => format!("process_state_{kind}"),
        });
        let buckets = (0..2).map(|variant| format!("request_duration_{variant}_seconds_bucket"));
        let mut samples = 0.0;
        for name in names.chain(buckets) {
            let query = format!("sum(count_over_time({name}[{}s]))", load.end() - load.start + 1);
            let answer = Answer::instant(&self.url, &query, load.end() as f64).await.unwrap();
            samples += answer.0.values().flat_map(|points| points.values()).sum::<f64>();
        }
        samples as usize
    }
}
