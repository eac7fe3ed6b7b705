//! The real binary, in a process of its own.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::process::Process;

/// A running `latewood all`.
pub struct Latewood {
    /// Its process.
    pub process: Process,
    /// `http://host:port`
    pub url: String,
}

impl Latewood {
    /// Starts `latewood all` on free ports and waits until it is ready.
    pub fn start(data: &Path, flags: &[&str]) -> Self {
        Self::try_start(data, flags, &[]).unwrap_or_else(|log| panic!("latewood did not start:\n{log}"))
    }

    /// The same with variables of the environment; what it logged, when it ended instead.
    pub fn try_start(data: &Path, flags: &[&str], environment: &[(&str, &str)]) -> Result<Self, String> {
        let mut child = Command::new(env!("CARGO_BIN_EXE_latewood"))
            .args(["all", "--http-addr=127.0.0.1:0", "--grpc-addr=127.0.0.1:0", "--data-dir"])
            .arg(data)
            .args(flags)
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let (mut seen, mut url) = (String::new(), None);
        for line in lines.by_ref().map_while(Result::ok) {
            if line.contains("latewood is ready") {
                url = line
                    .split("http_addr=")
                    .nth(1)
                    .and_then(|rest| rest.split(' ').next())
                    .map(str::to_owned);
                break;
            }
            seen.push_str(&line);
            seen.push('\n');
        }
        let Some(address) = url else {
            let _ = child.wait();
            return Err(seen);
        };
        let mut log = std::fs::File::options().create(true).append(true).open(log_of(data)).unwrap();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let _ = writeln!(log, "{line}");
            }
        });
        let process = Process::adopt("latewood", child);
        Ok(Self { process, url: format!("http://{address}") })
    }

    /// kill -9.
    pub fn kill(mut self) {
        self.process.kill();
    }

    /// SIGTERM and a good end.
    pub fn stop(mut self) {
        self.process.stop();
    }

    /// Freezes all that is in memory and waits until it lies in blocks.
    pub async fn flush(&self) {
        let url = format!("{}/api/v1/admin/flush?wait=true", self.url);
        let answer = reqwest::Client::new().post(url).send().await.unwrap();
        assert!(answer.status().is_success(), "{}: {}", answer.status(), answer.text().await.unwrap());
    }
}

/// The log lies beside the data folder.
fn log_of(data: &Path) -> PathBuf {
    data.with_extension("log")
}
