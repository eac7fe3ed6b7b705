//! What is written to the servers: the benchmarks' datasets S, M and H.

use std::process::{Command, Output, Stdio};

use latewood_base::Clock;

use crate::server::Kind;

/// A dataset, cut to a size.
pub struct Load {
    /// As the load generator names it.
    dataset: &'static str,
    /// Seconds between scrapes.
    step: i64,
    /// Series.
    pub series: usize,
    /// Samples of each.
    pub samples: usize,
    /// Seconds since the epoch of the first scrape.
    pub start: i64,
}

impl Load {
    /// Half an hour of 50,000 series, or of as many series and samples as given.
    pub fn half_hour(series: Option<usize>, samples: Option<usize>) -> Self {
        Self::ending_now("s", 15, series.unwrap_or(50_000), samples.unwrap_or(120))
    }

    /// An hour of 200,000 series, or of as many series and samples as given.
    pub fn hour(series: Option<usize>, samples: Option<usize>) -> Self {
        Self::ending_now("m", 15, series.unwrap_or(200_000), samples.unwrap_or(240))
    }

    /// Thirty days of 2,000 series, or of as many series and samples as given.
    pub fn month(series: Option<usize>, samples: Option<usize>) -> Self {
        Self::ending_now("h", 60, series.unwrap_or(2_000), samples.unwrap_or(43_200))
    }

    /// A load whose last samples are a little more than a minute old.
    fn ending_now(dataset: &'static str, step: i64, series: usize, samples: usize) -> Self {
        let start = Clock::system().now_ms() / 1000 - 60 - step * samples as i64;
        Self { dataset, step, series, samples, start }
    }

    /// Whether most of it is older than what servers keep in memory.
    pub fn is_old(&self) -> bool {
        self.dataset == "h"
    }

    /// How many samples in all.
    pub fn total(&self) -> usize {
        self.series * self.samples
    }

    /// The time of the last scrape.
    pub fn end(&self) -> i64 {
        self.start + self.step * (self.samples as i64 - 1)
    }

    /// The share of one of so many who write it together.
    pub fn shared_by(&self, writers: usize) -> Self {
        Self { series: self.series / writers, ..*self }
    }

    /// The same, so many times its length before.
    pub fn before(&self, times: usize) -> Self {
        Self { start: self.start - self.step * (self.samples * times) as i64, ..*self }
    }

    /// Writes it to each of these at once, to each as series of its own.
    pub fn write_all(&self, urls: &[String]) {
        let writers = urls.iter().zip(1..).map(|(url, seed)| {
            let mut command = self.command(1, url);
            command.arg(format!("--seed={seed}")).stdout(Stdio::piped()).spawn().unwrap()
        });
        let writers: Vec<_> = writers.collect();
        for writer in writers {
            report(&writer.wait_with_output().unwrap());
        }
    }

    /// Writes it, from a process of its own, whose report is returned.
    pub fn write(&self, kind: Kind, url: &str) -> serde_json::Value {
        report(&self.command(kind.protocol(), url).output().unwrap())
    }

    fn command(&self, protocol: u8, url: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_latewood"));
        command
            .args(["bench", "write"])
            .arg(format!("--dataset={}", self.dataset))
            .arg(format!("--url={url}/api/v1/write"))
            .arg(format!("--protocol={protocol}"))
            .arg(format!("--series={}", self.series))
            .arg(format!("--samples={}", self.samples))
            .arg(format!("--start={}", self.start))
            // Of few series a request has several samples each, and must not overtake the one before.
            .args(if self.series > 20_000 {
                ["--connections=4", "--batch=2000"]
            } else {
                ["--connections=1", "--batch=10000"]
            });
        command
    }
}

fn report(output: &Output) -> serde_json::Value {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}
