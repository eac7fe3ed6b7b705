//! kill -9 of one process, and what a power cut would take: everything that was not fsynced, and a torn tail.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use latewood_base::{Rng, Shutdown};

use super::check::check;
use super::steps::Steps;
use crate::harness::Latewood;

/// Kills of one run: `LATEWOOD_CRASHES` sets another number.
fn crashes() -> usize {
    std::env::var("LATEWOOD_CRASHES").map_or(8, |number| number.parse().unwrap())
}

/// Cuts each journal file back to what was fsynced, plus some of what was not: a torn tail.
pub fn pull_the_plug(journal: &Path, rng: &Rng) {
    let marks = fs::read_to_string(journal.join("synced")).unwrap();
    for line in marks.lines() {
        let (name, synced) = line.split_once(' ').unwrap();
        let file = fs::File::options().write(true).open(journal.join(name)).unwrap();
        let (length, synced) = (file.metadata().unwrap().len(), synced.trim().parse::<u64>().unwrap());
        file.set_len(synced + rng.below(length.saturating_sub(synced) + 1)).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_acknowledged_sample_is_lost_and_none_is_there_twice() {
    let folder = tempfile::tempdir().unwrap();
    let (data, config) = (folder.path().join("data"), folder.path().join("latewood.yaml"));
    fs::write(&config, "ingester: {journal: {record_synced_offsets: true}}\n").unwrap();
    let config = format!("--config={}", config.display());
    let flags = [&config, "--enable-feature=promql-experimental-functions,use-start-timestamps"];
    let seed = 20_260_101;
    let rng = Rng::seeded(seed);
    let steps = Arc::new(Steps::new());
    for crash in 0..crashes() {
        let server = Latewood::start(&data, &flags);
        let (writing, url, stop) = (Arc::clone(&steps), server.url.clone(), Shutdown::new());
        let told = stop.child();
        let loaded = tokio::spawn(async move { writing.write(&url, &told).await });
        let flushing = (rng.below(3) == 0).then(|| {
            let url = format!("{}/api/v1/admin/flush?wait=true", server.url);
            tokio::spawn(async move { reqwest::Client::new().post(url).send().await.map(drop) })
        });
        let acknowledged = tokio::time::timeout(Duration::from_secs(60), steps.advance());
        acknowledged.await.expect("something is acknowledged");
        // The moment of the kill is what the test is about: any moment will do.
        tokio::time::sleep(Duration::from_millis(20 + rng.below(500))).await;
        server.kill();
        stop.begin();
        loaded.await.unwrap();
        if let Some(flushing) = flushing {
            let _ = flushing.await.unwrap();
        }
        pull_the_plug(&data.join("journal"), &rng);
        let server = Latewood::start(&data, &flags);
        check(&server.url, steps.acknowledged(), &format!("after crash {crash}")).await;
        server.stop();
    }
}
