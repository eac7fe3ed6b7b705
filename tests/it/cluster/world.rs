//! One run: a cluster under load, what befalls it, and what must be true in the end.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use latewood_base::{Rng, Shutdown};
use tokio::task::JoinHandle;

use super::check::Check;
use super::load::Load;
use super::nodes::{Cluster, Shape};
use super::ring;
use super::scraper::Scraper;

/// A cluster under load.
pub struct World {
    /// The processes.
    pub cluster: Cluster,
    /// What is written.
    pub load: Arc<Load>,
    /// What is drawn, by the run's seed.
    pub rng: Rng,
    check: Arc<Check>,
    scraper: Option<Scraper>,
    stop: Shutdown,
    tasks: Vec<JoinHandle<()>>,
}

/// What was measured of a run.
#[derive(Debug, Default)]
pub struct Measured {
    /// The longest time that each writer was without an acknowledgement, the shortest first.
    pub write_pauses: Vec<Duration>,
    /// The longest time without a complete answer.
    pub read_pause: Duration,
    /// Why an answer was not complete, if one was not.
    pub told: String,
    /// How long the cluster took to be whole after the fault had ended.
    pub healing: Duration,
    /// Acknowledged steps of all writers.
    pub steps: i64,
}

impl World {
    /// Starts the cluster, and the load on it, and waits until all is well.
    pub async fn start(shape: Shape, folder: &Path, seed: u64) -> Self {
        let cluster = Cluster::start(shape, folder).await;
        ring::settled(&cluster).await;
        let scraper = Scraper::start(&cluster, folder).await;
        let load = Load::new(cluster.urls());
        let check = Check::new(cluster.querier_url(), Arc::clone(&load));
        let stop = Shutdown::new();
        let mut tasks = load.begin(&stop);
        load.advance(5).await;
        tasks.push(tokio::spawn(Arc::clone(&check).run(stop.child())));
        load.advance(15).await;
        load.forget_pauses();
        Self { cluster, load, rng: Rng::seeded(seed), check, scraper, stop, tasks }
    }

    /// Waits for between so many seconds, as the seed has it.
    pub async fn wait(&self, from: u64, until: u64) {
        let ms = from * 1000 + self.rng.below((until - from) * 1000 + 1);
        tokio::time::sleep(Duration::from_millis(ms)).await;
    }

    /// Waits until the cluster is whole, with writes going on.
    pub async fn heal(&self) -> Duration {
        let healing = ring::settled(&self.cluster).await;
        self.load.advance(10).await;
        healing
    }

    /// Has all nodes flush what they lead, now.
    pub async fn flush(&self) {
        for node in self.cluster.running() {
            let url = format!("{}/api/v1/admin/flush?wait=true", self.cluster.url(node));
            let answer = reqwest::Client::new().post(url).send().await.unwrap();
            assert!(
                answer.status().is_success(),
                "flush: {} {}",
                answer.status(),
                answer.text().await.unwrap()
            );
        }
    }

    /// Ends the load and checks everything: as it is, after a flush, and after a restart of all.
    pub async fn finish(mut self) -> Measured {
        let healing = self.heal().await;
        self.stop.begin();
        for task in std::mem::take(&mut self.tasks) {
            if let Err(failed) = task.await {
                std::panic::resume_unwind(failed.into_panic());
            }
        }
        let (write_pauses, read_pause) = (self.load.longest_pauses(), self.check.longest_pause());
        let told = self.check.told();
        self.check.all("in the end").await;
        if let Some(scraper) = self.scraper.take() {
            scraper.check(&self.cluster).await;
        }
        self.flush().await;
        self.check.all("after a flush").await;
        let nodes = self.cluster.running();
        self.cluster.stop_all();
        self.cluster.start_all(&nodes).await;
        ring::settled(&self.cluster).await;
        self.check.all("after a restart of all").await;
        self.cluster.stop_all();
        let steps = self.load.writers().map(|writer| self.load.acknowledged(writer)).sum();
        Measured { write_pauses, read_pause, told, healing, steps }
    }
}
