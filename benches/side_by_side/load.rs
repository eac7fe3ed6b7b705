//! What is written to the servers: the benchmarks' datasets S, M and H.

use std::process::Command;

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

    /// Writes it, from a process of its own, whose report is returned.
    pub fn write(&self, kind: Kind, url: &str) -> serde_json::Value {
        let output = Command::new(env!("CARGO_BIN_EXE_latewood"))
            .args(["bench", "write"])
            .arg(format!("--dataset={}", self.dataset))
            .arg(format!("--url={url}/api/v1/write"))
            .arg(format!("--protocol={}", kind.protocol()))
            .arg(format!("--series={}", self.series))
            .arg(format!("--samples={}", self.samples))
            .arg(format!("--start={}", self.start))
            // A scrape of few series is one request, and must not overtake the one before.
            .arg(format!("--connections={}", if self.series > 20_000 { 4 } else { 1 }))
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }
}
