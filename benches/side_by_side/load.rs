//! What is written to the servers: the benchmarks' dataset S.

use std::process::Command;

use latewood_base::Clock;

use crate::server::Kind;

/// Seconds between scrapes.
const STEP: i64 = 15;

/// A dataset, cut to a size.
pub struct Load {
    /// Series.
    pub series: usize,
    /// Samples of each.
    pub samples: usize,
    /// Seconds since the epoch of the first scrape.
    pub start: i64,
}

impl Load {
    /// A load whose last samples are a little more than a minute old.
    pub fn ending_now(series: usize, samples: usize) -> Self {
        let start = Clock::system().now_ms() / 1000 - 60 - STEP * samples as i64;
        Self { series, samples, start }
    }

    /// How many samples in all.
    pub fn total(&self) -> usize {
        self.series * self.samples
    }

    /// The time of the last scrape.
    pub fn end(&self) -> i64 {
        self.start + STEP * (self.samples as i64 - 1)
    }

    /// Writes it, from a process of its own, whose report is returned.
    pub fn write(&self, kind: Kind, url: &str) -> serde_json::Value {
        let output = Command::new(env!("CARGO_BIN_EXE_latewood"))
            .args(["bench", "write", "--dataset=s"])
            .arg(format!("--url={url}/api/v1/write"))
            .arg(format!("--protocol={}", kind.protocol()))
            .arg(format!("--series={}", self.series))
            .arg(format!("--samples={}", self.samples))
            .arg(format!("--start={}", self.start))
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }
}
