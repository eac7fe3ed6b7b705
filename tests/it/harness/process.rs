//! A child process that dies with its test.

use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, Stdio};
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

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
