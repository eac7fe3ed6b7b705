//! A block with samples of every sort, as a real Prometheus makes it, is read as that Prometheus answers. With
//! `LATEWOOD_WRITE_GOLDEN` set it becomes the golden block of `crates/tsdb/tests/golden`: a block is never the same twice.

use std::path::Path;

use latewood_model::histogram::{
    Buckets, CUSTOM_BUCKETS, FloatHistogram, HistogramParts, IntegerHistogram, ResetHint,
};
use latewood_model::{Labels, NativeHistogram, Sample, TimestampMs, is_stale, stale_nan};
use latewood_proto::remote_write::encode::EncoderV2;
use latewood_tsdb::TsdbBlock;

use crate::harness::{Peers, Prometheus, write_v2};

const START_MS: i64 = 1_700_000_000_000;

fn at(scrape: u64) -> TimestampMs {
    START_MS + scrape as i64 * 15_000
}

/// Floats of every sort. One label sorts before the metric's name, so that the index has another order than Latewood.
fn floats(encoder: &mut EncoderV2) {
    let values = [0.0, 1.0, -0.0, 0.1, f64::NAN, f64::INFINITY, -1e300, 5.0, 5.0, stale_nan()];
    for labels in [
        vec![("A", "1"), ("__name__", "requests")],
        vec![("__name__", "requests")],
        vec![("__name__", "requests"), ("path", "/ü \"\\\n")],
        vec![("__name__", "up"), ("job", "a")],
        vec![("__name__", "a_first"), ("job", "a")],
    ] {
        let shift = labels.len() as i64 * 7;
        let samples: Vec<Sample> = (0..20)
            .map(|scrape| {
                let value = values[scrape as usize % values.len()];
                let value = if value.is_nan() { value } else { value + (scrape / 10) as f64 };
                Sample { timestamp: at(scrape) + shift * (scrape as i64 % 3), value }
            })
            .collect();
        encoder.series(labels, &samples, &[], None);
    }
}

fn counter(scrape: u64) -> NativeHistogram {
    let seen = 1 + scrape % 15;
    let positive = Buckets::from_pairs([(-2, seen), (0, 3 * seen), (40, 7)]);
    let negative = Buckets::from_pairs([(-7, seen), (3, 1)].into_iter().skip(usize::from(seen < 5)));
    let all: u64 = positive.counts().iter().chain(negative.counts()).sum();
    IntegerHistogram {
        schema: 2,
        zero_threshold: 2f64.powi(-128),
        sum: seen as f64 * 0.3,
        count: all + seen,
        zero_count: seen,
        positive,
        negative,
        ..IntegerHistogram::default()
    }
    .into()
}

fn custom(scrape: u64) -> NativeHistogram {
    let positive = Buckets::from_pairs(
        [(0, scrape), (1, 5), (3, scrape * scrape)].into_iter().skip(usize::from(scrape == 0)),
    );
    IntegerHistogram {
        schema: CUSTOM_BUCKETS,
        custom_bounds: [0.005, 1.0, 1.0 / 3.0 + 1.0].into(),
        sum: scrape as f64,
        count: positive.counts().iter().sum(),
        positive,
        ..IntegerHistogram::default()
    }
    .into()
}

fn gauge(scrape: u64) -> NativeHistogram {
    let counts = [0.1, 0.2, 0.7].map(|share| share * (1 + scrape % 7) as f64);
    FloatHistogram {
        schema: -4,
        zero_threshold: 0.3,
        reset_hint: ResetHint::Gauge,
        sum: scrape as f64 / 7.0,
        count: counts.iter().sum::<f64>() + 0.5,
        zero_count: 0.5,
        positive: Buckets::from_pairs((3..).zip(counts)),
        ..FloatHistogram::default()
    }
    .into()
}

fn histograms(encoder: &mut EncoderV2) {
    for (kind, of) in
        [("counter", counter as fn(u64) -> NativeHistogram), ("custom", custom), ("gauge", gauge)]
    {
        let mut samples: Vec<_> = (0..20).map(|scrape| (at(scrape), of(scrape))).collect();
        samples.push((at(20), NativeHistogram::stale()));
        let parts: Vec<_> = samples.iter().map(|(at, one)| (*at, HistogramParts::from(one))).collect();
        encoder.histograms([("__name__", "native"), ("kind", kind)], &parts);
    }
}

fn folders_of(folder: &Path) -> Vec<std::path::PathBuf> {
    std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.join("meta.json").exists())
        .collect()
}

#[tokio::test]
async fn a_block_of_all_sorts_of_samples_is_read_as_its_prometheus_answers() {
    let Some(peers) = Peers::find() else { return };
    let folder = tempfile::tempdir().unwrap();
    let first = folder.path().join("first");
    std::fs::create_dir(&first).unwrap();
    let writer = Prometheus::start(&peers, &first, "global: {}\n").await;
    let mut encoder = EncoderV2::new();
    floats(&mut encoder);
    histograms(&mut encoder);
    assert!((200..300).contains(&write_v2(&writer.url, encoder).await.unwrap().0));
    let data = Prometheus::data_in(folder.path());
    std::fs::rename(writer.snapshot(&first).await, &data).unwrap();
    let mut prometheus = Prometheus::start(&peers, folder.path(), "global: {}\n").await;
    // Each selector and how many scrapes from which one on.
    for (selector, from, count) in
        [("{job=\"a\"}", 3, 4), ("native", 9, 2), ("{job=\"a\"}", 6, 3), ("requests{A=\"1\"}", 0, 99)]
    {
        let times = [from, from + count].map(|scrape| (at(scrape) as f64 / 1000.0).to_string());
        let query = [("match[]", selector), ("start", &times[0]), ("end", &times[1])];
        let url = format!("{}/api/v1/admin/tsdb/delete_series", prometheus.url);
        assert!(reqwest::Client::new().post(url).query(&query).send().await.unwrap().status().is_success());
    }
    let query = [("query", r#"{__name__!=""}[1h]"#.to_owned()), ("time", (at(200) / 1000).to_string())];
    let asked = reqwest::Client::new().post(format!("{}/api/v1/query", prometheus.url)).form(&query);
    let answer = asked.send().await.unwrap().text().await.unwrap();
    prometheus.process.stop();

    let [block] = &folders_of(&data)[..] else { panic!("one block is expected") };
    assert_eq!(in_block(block), in_answer(&answer));
    if std::env::var_os("LATEWOOD_WRITE_GOLDEN").is_some() {
        write(block, &answer);
    }
}

/// How many series and samples without stale markers a block has.
fn in_block(block: &Path) -> (usize, usize) {
    let block = TsdbBlock::open(block).unwrap();
    let (mut series, mut samples) = (0, 0);
    for one in block.series(&Labels::empty()).unwrap() {
        let one = one.unwrap();
        let floats = one.values.iter().filter(|value| !is_stale(**value)).count();
        let histograms = one.histograms.iter().filter(|sample| !sample.histogram.is_stale()).count();
        series += usize::from(floats + histograms > 0);
        samples += floats + histograms;
    }
    (series, samples)
}

/// The same of an answer.
fn in_answer(answer: &str) -> (usize, usize) {
    let answer: serde_json::Value = serde_json::from_str(answer).unwrap();
    let series = answer["data"]["result"].as_array().unwrap();
    let length = |list: &serde_json::Value| list.as_array().map_or(0, Vec::len);
    let samples = series.iter().map(|one| length(&one["values"]) + length(&one["histograms"]));
    (series.len(), samples.sum())
}

fn write(block: &Path, answer: &str) {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("crates/tsdb/tests/golden");
    std::fs::remove_dir_all(golden.join("block")).ok();
    std::fs::create_dir_all(golden.join("block/chunks")).unwrap();
    for file in ["meta.json", "index", "tombstones", "chunks/000001"] {
        std::fs::copy(block.join(file), golden.join("block").join(file)).unwrap();
    }
    std::fs::write(golden.join("answer.json"), answer).unwrap();
}
