//! kill -9 under load, and what a power cut would take: everything that was not fsynced, and a torn tail.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use latewood_base::Rng;
use latewood_model::histogram::{HistogramParts, IntegerHistogram};
use latewood_model::{Sample, TimestampMs};
use latewood_proto::remote_write::encode::EncoderV2;

use crate::harness::{Answer, Latewood, write_v2};

/// Every fifth is one of native histograms.
const SERIES: i64 = 50;
const START_MS: i64 = 1_700_000_000_000;

/// Kills of one run: `LATEWOOD_CRASHES` sets another number.
fn crashes() -> usize {
    std::env::var("LATEWOOD_CRASHES").map_or(8, |number| number.parse().unwrap())
}

/// The value, or the count, of a series at a step, so that a wrong value is seen too.
fn value(series: i64, step: i64) -> f64 {
    (step * 1000 + series) as f64
}

/// The start timestamp of a series at a step: none, one that stays for a while, or another for each sample.
fn start(series: i64, step: i64) -> TimestampMs {
    match series % 3 {
        0 => 0,
        1 => START_MS - 1_000 + step / 100,
        _ => START_MS + step - 1,
    }
}

/// One step of every series.
fn request(at: i64) -> EncoderV2 {
    let mut encoder = EncoderV2::new();
    for series in 0..SERIES {
        let number = series.to_string();
        let labels = [("__name__", "steps"), ("series", number.as_str())];
        if series % 5 > 0 {
            let sample = Sample { timestamp: START_MS + at, value: value(series, at) };
            encoder.started(labels, &[(sample, start(series, at))]);
        } else {
            let count = value(series, at) as u64;
            let native = IntegerHistogram { count, zero_count: count, ..IntegerHistogram::default() }.into();
            let histograms = [(START_MS + at, HistogramParts::from(&native))];
            encoder.started_histograms(labels, &histograms, start(series, at));
        }
    }
    encoder
}

/// Writes one step of every series a request until told to stop or the server dies; `step` is the next
/// one that was not acknowledged.
async fn load(url: String, step: Arc<AtomicI64>, stop: Arc<AtomicBool>) {
    while !stop.load(Ordering::SeqCst) {
        let at = step.load(Ordering::SeqCst);
        match write_v2(&url, request(at)).await {
            Ok((204, _)) => step.store(at + 1, Ordering::SeqCst),
            Ok((503, _)) | Err(_) => return,
            Ok(refused) => panic!("refused: {refused:?}"),
        }
    }
}

/// Cuts each journal file back to what was fsynced, plus some of what was not: a torn tail.
fn pull_the_plug(journal: &Path, rng: &Rng) {
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
    let step = Arc::new(AtomicI64::new(0));
    for crash in 0..crashes() {
        let server = Latewood::start(&data, &flags);
        let before = step.load(Ordering::SeqCst);
        let stop = Arc::new(AtomicBool::new(false));
        let loaded = tokio::spawn(load(server.url.clone(), Arc::clone(&step), Arc::clone(&stop)));
        let flushing = (rng.below(3) == 0).then(|| {
            let url = format!("{}/api/v1/admin/flush?wait=true", server.url);
            tokio::spawn(async move { reqwest::Client::new().post(url).send().await.map(drop) })
        });
        let acknowledged = async {
            while step.load(Ordering::SeqCst) == before {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), acknowledged).await.expect("something is acknowledged");
        // The moment of the kill is what the test is about: any moment will do.
        tokio::time::sleep(Duration::from_millis(20 + rng.below(500))).await;
        server.kill();
        stop.store(true, Ordering::SeqCst);
        loaded.await.unwrap();
        if let Some(flushing) = flushing {
            let _ = flushing.await.unwrap();
        }
        pull_the_plug(&data.join("journal"), &rng);
        let server = Latewood::start(&data, &flags);
        check(&server, step.load(Ordering::SeqCst), crash).await;
        server.stop();
    }
}

/// Every step below `acknowledged` is there with its value, once; one more may be there, whole or in part.
async fn check(server: &Latewood, acknowledged: i64, crash: usize) {
    let end = (START_MS + acknowledged + 1) as f64 / 1000.0;
    let window = format!("steps[{}ms]", acknowledged + 2);
    let answer = Answer::instant(&server.url, &window, end).await.unwrap().with_counts_of_histograms();
    if acknowledged > 0 {
        assert_eq!(answer.0.len() as i64, SERIES, "series after crash {crash}");
    }
    for (labels, samples) in &answer.0 {
        let series: i64 = labels["series"].parse().unwrap();
        let expected: BTreeMap<i64, f64> =
            (0..acknowledged).map(|at| (START_MS + at, value(series, at))).collect();
        let mut found = samples.clone();
        if let Some(unacknowledged) = found.remove(&(START_MS + acknowledged)) {
            assert_eq!(unacknowledged, value(series, acknowledged));
        }
        assert_eq!(found, expected, "series {series} after crash {crash}");
    }
    let starts = format!("start_timestamp(steps)[{}ms:1ms]", acknowledged + 2);
    for (labels, mut found) in Answer::instant(&server.url, &starts, end - 0.002).await.unwrap().0 {
        let series: i64 = labels["series"].parse().unwrap();
        found.retain(|at, _| *at < START_MS + acknowledged);
        let seconds = |step| start(series, step) as f64 / 1000.0;
        let expected = (0..acknowledged).map(|step| (START_MS + step, seconds(step))).collect();
        assert_eq!(found, expected, "start timestamps of series {series} after crash {crash}");
    }
    let counted = Answer::instant(&server.url, &format!("count_over_time({window})"), end).await.unwrap();
    for (labels, count) in counted.0 {
        let count = count.into_values().sum::<f64>() as i64;
        assert!((acknowledged..=acknowledged + 1).contains(&count), "{labels:?} has {count} samples");
    }
}
