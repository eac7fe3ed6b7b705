//! What the README shows works.

use std::path::Path;

use latewood_model::{Sample, stale_nan};

use crate::harness::{Latewood, Peers, write};

/// The blocks of one language that the README fences.
fn fenced(language: &str) -> Vec<String> {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let opening = format!("```{language}\n");
    text.split(&opening).skip(1).map(|rest| rest.split("```").next().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn duckdb_reads_several_blocks_together() {
    let Some(peers) = Peers::find() else { return };
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let server = Latewood::start(&data, &[]);
    // Labels that differ between blocks, so that their columns do.
    for (at, label) in [(1_700_000_000_000, "instance"), (1_700_000_060_000, "pod")] {
        let labels = vec![("__name__", "up".to_owned()), (label, "a".to_owned()), ("job", "node".to_owned())];
        let labels = if label == "instance" {
            labels
        } else {
            vec![labels[0].clone(), labels[2].clone(), labels[1].clone()]
        };
        // DuckDB has NaN above all numbers.
        let values = [0.5, 2.5, f64::NAN, stale_nan()];
        let samples = values.into_iter().zip((at..).step_by(15_000));
        let samples = samples.map(|(value, timestamp)| Sample { timestamp, value }).collect();
        assert_eq!(write(&server.url, &[(labels, samples)]).await.unwrap().0, 204);
        server.flush().await;
    }
    server.stop();
    let [query] = &fenced("sql")[..] else { panic!("one query is shown") };
    let query = query.replace("data/bucket", &data.join("bucket").display().to_string());
    let script = "import duckdb, sys; print(duckdb.sql(sys.argv[1]).project('metric, job, blocks, samples, newest::VARCHAR, max').fetchall())";
    let output = peers.python().args(["-c", script, &query]).output().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert_eq!(
        printed.trim(),
        "[('up', 'node', 2, 8, '2023-11-14 22:15:05', 2.5)]",
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
