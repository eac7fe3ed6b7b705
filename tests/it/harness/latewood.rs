//! The real binary, in a process of its own.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::process::Process;

/// A running `latewood`.
pub struct Latewood {
    /// Its process.
    pub process: Process,
    /// `http://host:port`
    pub url: String,
    /// `host:port` of its gRPC.
    pub grpc_addr: String,
}

impl Latewood {
    /// Starts `latewood all` on free ports and waits until it is ready.
    pub fn start(data: &Path, flags: &[&str]) -> Self {
        Self::try_start(data, flags, &[]).unwrap_or_else(|log| panic!("latewood did not start:\n{log}"))
    }

    /// The same with variables of the environment; what it logged, when it ended instead.
    pub fn try_start(data: &Path, flags: &[&str], environment: &[(&str, &str)]) -> Result<Self, String> {
        Self::try_start_role("all", data, flags, environment)
    }

    /// Starts one role.
    pub fn start_role(role: &str, data: &Path, flags: &[&str]) -> Self {
        Self::try_start_role(role, data, flags, &[])
            .unwrap_or_else(|log| panic!("{role} did not start:\n{log}"))
    }

    /// The same; what it logged, when it ended instead.
    pub fn try_start_role(
        role: &str,
        data: &Path,
        flags: &[&str],
        environment: &[(&str, &str)],
    ) -> Result<Self, String> {
        let mut command = Self::command(role, data);
        command
            .args(["--http-addr=127.0.0.1:0", "--grpc-addr=127.0.0.1:0"])
            .args(flags)
            .envs(environment.iter().copied());
        Self::try_start_command(data, &mut command)
    }

    /// The binary with a role and its data folder; addresses and flags are to be added.
    pub fn command(role: &str, data: &Path) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_latewood"));
        command.arg(role).arg("--data-dir").arg(data);
        command
    }

    /// Starts the binary as a whole command says, which must lead it to free ports; its log will be beside `data`.
    /// Waits until it is ready.
    pub fn try_start_command(data: &Path, command: &mut Command) -> Result<Self, String> {
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let (mut seen, mut addrs) = (String::new(), None);
        for line in lines.by_ref().map_while(Result::ok) {
            if line.contains("latewood is ready") {
                addrs = field(&line, "http_addr=").zip(field(&line, "grpc_addr="));
                break;
            }
            seen.push_str(&line);
            seen.push('\n');
        }
        let Some((http_addr, grpc_addr)) = addrs else {
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
        Ok(Self { process, url: format!("http://{http_addr}"), grpc_addr })
    }

    /// kill -9.
    pub fn kill(mut self) {
        self.process.kill();
    }

    /// SIGTERM and a good end.
    pub fn stop(mut self) {
        self.process.stop();
    }

    /// Waits until the log has a line with all these parts, and returns it.
    pub async fn logged(data: &Path, parts: &[&str]) -> String {
        for _ in 0..100 {
            let log = std::fs::read_to_string(log_of(data)).unwrap();
            if let Some(line) = log.lines().find(|line| parts.iter().all(|part| line.contains(part))) {
                return line.to_owned();
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        panic!("no line with {parts:?} in\n{}", std::fs::read_to_string(log_of(data)).unwrap());
    }

    /// Freezes all that is in memory and waits until it lies in blocks.
    pub async fn flush(&self) {
        let url = format!("{}/api/v1/admin/flush?wait=true", self.url);
        let answer = reqwest::Client::new().post(url).send().await.unwrap();
        assert!(answer.status().is_success(), "{}: {}", answer.status(), answer.text().await.unwrap());
    }
}

/// A field of a log line.
fn field(line: &str, name: &str) -> Option<String> {
    line.split_once(name)?.1.split(' ').next().map(str::to_owned)
}

/// The log lies beside the data folder.
fn log_of(data: &Path) -> PathBuf {
    data.with_extension("log")
}
