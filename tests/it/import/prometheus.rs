//! `latewood import prometheus`, from a snapshot and from below a Prometheus that runs.

use std::path::Path;

use latewood_base::Rng;

use super::import;
use super::recorded::write_recorded;
use crate::differential::generate::Generator;
use crate::differential::{data, histograms};
use crate::harness::{Answer, Latewood, Peers, Prometheus, beside, differences, write, write_v2};
use crate::real_prometheus::expressions_with_data;

/// Expressions of the corpus, and random ones, that are compared.
const EXPRESSIONS: usize = 200;

/// How expressions are asked: at a time, over a range before it.
struct Times {
    end: f64,
    range: f64,
    step: f64,
}

/// Each expression has the same answer here and there.
async fn assert_same(ours: &str, theirs: &str, expressions: &[String], times: &Times) {
    let mut broken = Vec::new();
    for expression in expressions {
        for is_range in [false, true] {
            let ask = async |url: &str| {
                if is_range {
                    Answer::range(url, expression, times.end - times.range, times.end, times.step).await
                } else {
                    Answer::instant(url, expression, times.end).await
                }
            };
            let (here, there) = tokio::join!(ask(ours), ask(theirs));
            // What Prometheus itself refuses is no measure.
            let Ok(there) = there else { continue };
            let found = here.map_or_else(|error| vec![error], |here| differences(&here, &there));
            broken.extend(found.first().map(|first| format!("{expression}\n    {first}")));
        }
    }
    let asked = expressions.len();
    assert!(broken.is_empty(), "{} of {asked} differ:\n{}", broken.len(), broken.join("\n"));
}

#[tokio::test]
async fn a_snapshot_answers_as_the_prometheus_that_it_is_of() {
    let Some(peers) = Peers::find() else { return };
    let (Some(corpus), Some(recorded)) = (beside("LATEWOOD_CORPUS"), beside("LATEWOOD_DATA")) else { return };
    let folder = tempfile::tempdir().unwrap();
    let theirs = Prometheus::start(&peers, folder.path(), "global: {}\n").await;
    let end = write_recorded(&peers, &recorded, &theirs.url).await.floor();
    let snapshot = theirs.snapshot(folder.path()).await;

    let data = folder.path().join("data");
    let snapshot = snapshot.to_str().unwrap();
    import(&data, &["prometheus", snapshot, "--dry-run"]).assert_good(&["blocks that would be imported: 1"]);
    import(&data, &["prometheus", snapshot])
        .assert_good(&["blocks imported: 1 (1752 series, 350400 samples)"]);
    import(&data, &["prometheus", snapshot]).assert_good(&["blocks imported: 0", "passed over: 1"]);

    let ours = Latewood::start(&data, &[]);
    let expressions = expressions_with_data(&theirs.url, &corpus, end, EXPRESSIONS).await;
    assert_eq!(expressions.len(), EXPRESSIONS, "the corpus has too few expressions with data");
    let times = Times { end, range: 1200.0, step: 60.0 };
    assert_same(&ours.url, &theirs.url, &expressions, &times).await;
    ours.stop();
}

/// A Prometheus on blocks alone, of which some samples were deleted.
async fn with_deletions(peers: &Peers, folder: &Path) -> Prometheus {
    let first = folder.join("first");
    std::fs::create_dir(&first).unwrap();
    let writer = Prometheus::start(peers, &first, "global: {}\n").await;
    let (status, text) = write(&writer.url, &data::series(1)).await.unwrap();
    assert!((200..300).contains(&status), "{status}: {text}");
    let (status, text) = write_v2(&writer.url, histograms::request(1)).await.unwrap();
    assert!((200..300).contains(&status), "{status}: {text}");
    let snapshot = writer.snapshot(&first).await;
    std::fs::rename(snapshot, Prometheus::data_in(folder)).unwrap();
    let prometheus = Prometheus::start(peers, folder, "global: {}\n").await;
    let (from, to) = (data::END - 700, data::END - 500);
    for (selector, from, to) in [
        (r#"{instance="a:1"}"#, from, to),
        (r#"{__name__=~"temperature|duration_seconds",job="db"}"#, to - 60, to + 120),
        (r#"queue{instance="b:1"}"#, 0, data::END),
    ] {
        let query = [("match[]", selector.to_owned()), ("start", from.to_string()), ("end", to.to_string())];
        let url = format!("{}/api/v1/admin/tsdb/delete_series", prometheus.url);
        let answer = reqwest::Client::new().post(url).query(&query).send().await.unwrap();
        assert!(answer.status().is_success(), "{}", answer.text().await.unwrap());
    }
    prometheus
}

#[tokio::test]
async fn histograms_stale_markers_and_deletions_are_imported() {
    let Some(peers) = Peers::find() else { return };
    let folder = tempfile::tempdir().unwrap();
    let theirs = with_deletions(&peers, folder.path()).await;
    let data = folder.path().join("data");
    let running = Prometheus::data_in(folder.path());
    let imported = import(&data, &["prometheus", running.to_str().unwrap()]);
    imported.assert_good(&["blocks imported: 1", "NOT imported", "/api/v1/admin/tsdb/snapshot"]);

    let ours = Latewood::start(&data, &[]);
    let generator = Generator(Rng::seeded(1));
    let everything = ["{instance!=\"\"}", "{job=\"db\"}", "count_over_time({job!=\"\"}[20m])"];
    let random = std::iter::repeat_with(|| generator.expression().text).take(EXPRESSIONS);
    let expressions: Vec<String> = everything.map(str::to_owned).into_iter().chain(random).collect();
    let times = Times { end: data::END as f64 - 100.0, range: 1000.0, step: 35.0 };
    assert_same(&ours.url, &theirs.url, &expressions, &times).await;
    ours.stop();
}
