//! A child process that dies with its test.

use std::fs::File;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// A child process with its output in a file.
pub struct Process {
    child: Child,
    name: &'static str,
}

impl Process {
    /// Starts it, output appended to `<folder>/<name>.log`.
    pub fn start(name: &'static str, command: &mut Command, folder: &Path) -> Self {
        let log = File::options().create(true).append(true).open(folder.join(format!("{name}.log"))).unwrap();
        let child = command
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {name}: {error}"));
        Self { child, name }
    }

    /// A child that was started elsewhere.
    pub fn adopt(name: &'static str, child: Child) -> Self {
        Self { child, name }
    }

    /// The number that the kernel knows it by.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// kill -9.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM, then waits until it has ended; it must end well.
    pub fn stop(&mut self) {
        let status = Command::new("kill").arg(self.pid().to_string()).status().unwrap();
        assert!(status.success());
        let status = self.child.wait().unwrap();
        assert!(status.success(), "{} ended with {status}", self.name);
    }

    /// Waits until a URL answers 200; fails at once when the process has ended.
    pub async fn wait_for(&mut self, url: &str) {
        let client = reqwest::Client::new();
        for _ in 0..600 {
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!("{} ended with {status} before {url} answered", self.name);
            }
            if client.get(url).send().await.is_ok_and(|answer| answer.status().is_success()) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("{}: {url} did not answer within a minute", self.name);
    }
}

/// A port that its process finds free again after a restart: below those that the kernel gives to connections and to
/// listeners at port 0.
pub fn lasting_port() -> u16 {
    const FIRST: u32 = 10_000;
    const COUNT: u32 = 22_000;
    static TAKEN: AtomicU32 = AtomicU32::new(0);
    let ports = std::iter::repeat_with(|| {
        // Other test processes begin elsewhere.
        let number = std::process::id().wrapping_mul(101).wrapping_add(TAKEN.fetch_add(1, Ordering::SeqCst));
        u16::try_from(FIRST + number % COUNT).unwrap()
    });
    ports.take(1000).find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).unwrap()
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
