//! Runs that add up: each is a line of a log, and those that are there are not made again.

use std::io::Write;
use std::path::PathBuf;
use std::{fs, panic};

use futures::FutureExt;
use serde_json::{Value, json};

use super::faults::Scenario;
use super::world::{Measured, World};

/// Where the lines are.
pub struct Log(PathBuf);

impl Log {
    /// `LATEWOOD_CLUSTER_LOG`, or a file among those of the build.
    pub fn find() -> Self {
        let path = std::env::var_os("LATEWOOD_CLUSTER_LOG").map(PathBuf::from);
        Self(path.unwrap_or_else(|| PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("cluster.jsonl")))
    }

    fn lines(&self) -> Vec<Value> {
        let text = fs::read_to_string(&self.0).unwrap_or_default();
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// Whether it has a run.
    pub fn has(&self, scenario: &str, seed: u64) -> bool {
        self.lines().iter().any(|line| line["scenario"] == scenario && line["seed"] == seed)
    }

    fn append(&self, line: &Value) {
        let mut file = fs::File::options().create(true).append(true).open(&self.0).unwrap();
        writeln!(file, "{line}").unwrap();
        println!("{line}");
    }
}

/// Makes a run, and writes down what came of it; whether all was well. What failed leaves its folder.
pub async fn run(log: &Log, scenario: &Scenario, seed: u64) -> bool {
    let folder = tempfile::Builder::new().prefix(&format!("{}-{seed}-", scenario.name)).tempdir().unwrap();
    let running = async {
        let mut world = World::start(scenario.shape, folder.path(), seed).await;
        (scenario.does)(&mut world).await;
        world.finish().await
    };
    let ended = panic::AssertUnwindSafe(running).catch_unwind().await;
    let failure = match &ended {
        Ok(measured) => scenario.is_quick.then(|| too_long(measured)).flatten(),
        Err(panicked) => {
            let text = panicked.downcast_ref::<String>().map(String::as_str);
            Some(text.or_else(|| panicked.downcast_ref::<&str>().copied()).unwrap_or("panicked").to_owned())
        }
    };
    let kept = failure.is_some().then(|| folder.keep());
    let Measured { write_pauses, read_pause, told, healing, steps } = ended.unwrap_or_default();
    let write_pauses: Vec<u64> = write_pauses.iter().map(|pause| pause.as_millis() as u64).collect();
    log.append(&json!({
        "scenario": scenario.name, "seed": seed, "result": if failure.is_none() { "passed" } else { "failed" },
        "release": !cfg!(debug_assertions), "write_pauses_ms": write_pauses,
        "read_pause_ms": read_pause.as_millis() as u64, "told": told, "healing_ms": healing.as_millis() as u64,
        "steps": steps, "failure": failure, "folder": kept,
    }));
    failure.is_none()
}

/// The death of a node costs writers less than three seconds; a debug build on a busy machine is given more.
fn too_long(measured: &Measured) -> Option<String> {
    let limit = if cfg!(debug_assertions) { 15 } else { 3 };
    let pause = measured.write_pauses.iter().max().copied().unwrap_or_default();
    (pause.as_secs() >= limit).then(|| format!("writes paused for {pause:?}, and {limit} s are the most"))
}
