//! The recorded set R, or the beginning of it, into a Prometheus.

use std::collections::BTreeMap;
use std::path::Path;

use latewood_model::Sample;
use latewood_proto::remote_write::encode::EncoderV1;

use crate::harness::{Peers, write_v1};

/// Milliseconds of it that are written: fewer than an hour, within which a Prometheus takes series one after another.
const SPAN_MS: i64 = 50 * 60_000;

/// Series a request.
const BATCH: usize = 50;

/// Prints labels of each series as JSON, and its samples as times and bits.
const PRINT: &str = r#"
import duckdb, gzip, struct, sys
folder, span = sys.argv[1], int(sys.argv[2])
samples = f"'{folder}/R.samples.parquet'"
rows = duckdb.sql(f"SELECT series, ts_ms, value FROM {samples} WHERE ts_ms < (SELECT min(ts_ms) FROM {samples}) + {span} ORDER BY series, ts_ms").fetchall()
labels = gzip.open(f"{folder}/R.series.ndjson.gz", "rt").read().splitlines()
series = None
for row in rows:
    if row[0] != series:
        series = row[0]
        print(labels[series])
    print(row[1], struct.pack(">d", row[2]).hex())
"#;

/// A series as it was recorded.
type Recorded = (BTreeMap<String, String>, Vec<Sample>);

/// Writes it, and returns when its last sample is, in seconds.
pub async fn write_recorded(peers: &Peers, data: &Path, url: &str) -> f64 {
    let output = peers.python().args(["-c", PRINT]).arg(data).arg(SPAN_MS.to_string()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let series = parse(&String::from_utf8(output.stdout).unwrap());
    for batch in series.chunks(BATCH) {
        let mut encoder = EncoderV1::new();
        for (labels, samples) in batch {
            let labels = labels.iter().map(|(name, value)| (name.as_str(), value.as_str()));
            encoder.series(labels, samples, &[]);
        }
        let (status, text) = write_v1(url, encoder).await.unwrap();
        assert!((200..300).contains(&status), "{status}: {text}");
    }
    let last = series.iter().flat_map(|(_, samples)| samples.last()).map(|sample| sample.timestamp).max();
    last.unwrap() as f64 / 1000.0
}

fn parse(text: &str) -> Vec<Recorded> {
    let mut series: Vec<Recorded> = Vec::new();
    for line in text.lines() {
        if line.starts_with('{') {
            series.push((serde_json::from_str(line).unwrap(), Vec::new()));
            continue;
        }
        let (at, bits) = line.split_once(' ').unwrap();
        let value = f64::from_bits(u64::from_str_radix(bits, 16).unwrap());
        series.last_mut().unwrap().1.push(Sample { timestamp: at.parse().unwrap(), value });
    }
    series
}
