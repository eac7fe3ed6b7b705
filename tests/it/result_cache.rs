//! The cache of results in a real process: dashboards that are loaded again, and data that change meanwhile.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};

use latewood_base::Rng;
use latewood_model::{Sample, TimestampMs};
use serde_json::Value;

use crate::differential::data::{END, START_MS, STEP_MS, series};
use crate::differential::generate::Generator;
use crate::harness::{Latewood, Written, write};

const HOUR: TimestampMs = 3_600_000;
const DAY: TimestampMs = 24 * HOUR;
/// A UTC midnight.
const MIDNIGHT: TimestampMs = 19_700 * DAY;

/// A range query's answer, with these further parameters.
async fn range(url: &str, query: &str, [start, end, step]: [TimestampMs; 3], more: &[(&str, &str)]) -> Value {
    let [start, end, step] = [start, end, step].map(|ms| (ms as f64 / 1000.0).to_string());
    let form = [("query", query), ("start", start.as_str()), ("end", &end), ("step", &step)];
    let form = [form.as_slice(), more].concat();
    let answer = reqwest::Client::new().post(format!("{url}/api/v1/query_range")).form(&form).send().await;
    answer.unwrap().json().await.unwrap()
}

async fn put(latewood: &Latewood, series: &[Written]) {
    let (status, text) = write(&latewood.url, series).await.unwrap();
    assert!((200..300).contains(&status), "{status}: {text}");
}

fn of_metric(name: &str, samples: impl Iterator<Item = (TimestampMs, f64)>) -> Written {
    let samples = samples.map(|(timestamp, value)| Sample { timestamp, value }).collect();
    (vec![("__name__", name.to_owned())], samples)
}

fn cached_steps(body: &Value) -> u64 {
    body["data"]["stats"]["latewood"]["cachedSteps"].as_u64().unwrap_or_else(|| panic!("{body}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dashboard_hits_the_cache_and_a_late_write_changes_its_answer_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let latewood = Latewood::start(&folder.path().join("data"), &[]);
    let hours = |from: i64, to: i64| (from..to).map(|hour| (MIDNIGHT + hour * HOUR, hour as f64));
    for day in 0..3 {
        put(&latewood, &[of_metric("m", hours(day * 24, day * 24 + 24))]).await;
        latewood.flush().await;
    }
    put(&latewood, &[of_metric("m", hours(72, 80))]).await;
    let ask = async || {
        let times = [MIDNIGHT, MIDNIGHT + 79 * HOUR, HOUR];
        range(&latewood.url, "sum(sum_over_time(m[1h]))", times, &[("stats", "1")]).await
    };
    let value_at = |body: &Value, hour: usize| body["data"]["result"][0]["values"][hour][1].clone();
    let first = ask().await;
    assert_eq!(cached_steps(&first), 0);
    let again = ask().await;
    assert_eq!((cached_steps(&again), &again["data"]["result"]), (72, &first["data"]["result"]));
    // In memory, then in a block, then after a restart.
    put(&latewood, &[of_metric("m", [(MIDNIGHT + 30 * HOUR - 1, 1000.0)].into_iter())]).await;
    let late = ask().await;
    assert_eq!((value_at(&late, 30), cached_steps(&late)), (Value::from("1030"), 30));
    latewood.flush().await;
    let flushed = ask().await;
    assert_eq!((value_at(&flushed, 30), cached_steps(&flushed)), (Value::from("1030"), 24));
    assert_eq!(cached_steps(&ask().await), 80);
    let metrics = reqwest::get(format!("{}/metrics", latewood.url)).await.unwrap().text().await.unwrap();
    assert!(metrics.contains("latewood_querier_results_cache_hits_total 1\n"), "{metrics}");
    latewood.kill();
    let latewood = Latewood::start(&folder.path().join("data"), &[]);
    let times = [MIDNIGHT, MIDNIGHT + 79 * HOUR, HOUR];
    let after = range(&latewood.url, "sum(sum_over_time(m[1h]))", times, &[]).await;
    assert_eq!(after["data"]["result"], flushed["data"]["result"]);
}

/// How many samples an answer counts, by windows that follow each other.
fn counted(body: &Value) -> u64 {
    let values = body["data"]["result"][0]["values"].as_array().cloned().unwrap_or_default();
    values.iter().map(|point| point[1].as_str().unwrap().parse::<u64>().unwrap()).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_is_answered_while_dashboards_refresh_and_generations_are_flushed() {
    let folder = tempfile::tempdir().unwrap();
    let latewood = Latewood::start(&folder.path().join("data"), &[]);
    let days = 4;
    let hours = (0..days * 24).map(|hour| (MIDNIGHT + hour * HOUR, 0.0));
    put(&latewood, &[of_metric("m", hours)]).await;
    let acknowledged = AtomicU64::new(days as u64 * 24);
    let done = AtomicBool::new(false);
    let ask = async || {
        let times = [MIDNIGHT, MIDNIGHT + days * DAY, HOUR];
        range(&latewood.url, "sum(count_over_time(m[1h]))", times, &[("stats", "1")]).await
    };
    let refresh = async || {
        let mut cached = 0;
        while !done.load(SeqCst) {
            let least = acknowledged.load(SeqCst);
            let body = ask().await;
            assert!(counted(&body) >= least, "{} of {least}: {body}", counted(&body));
            cached += cached_steps(&body);
        }
        cached
    };
    let write = async || {
        let rng = Rng::seeded(4);
        for number in 1..=120 {
            // Not on the hour, and each at a time of its own.
            let day = rng.below(days as u64) as i64;
            let at = MIDNIGHT + day * DAY + rng.below(24) as i64 * HOUR + 1000 + number;
            put(&latewood, &[of_metric("m", [(at, 1.0)].into_iter())]).await;
            acknowledged.fetch_add(1, SeqCst);
            let (body, expected) = (ask().await, acknowledged.load(SeqCst));
            assert_eq!(counted(&body), expected, "{body}");
            if number % 6 == 0 {
                latewood.flush().await;
                ask().await;
                ask().await;
            }
        }
        done.store(true, SeqCst);
    };
    let ((), one, other) = tokio::join!(write(), refresh(), refresh());
    println!("{} steps came from the cache", one + other);
    assert!(one + other > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn random_expressions_are_answered_as_without_the_cache() {
    let folder = tempfile::tempdir().unwrap();
    let features = "--enable-feature=promql-experimental-functions";
    let latewood = Latewood::start(&folder.path().join("data"), &[features]);
    let (early, late): (Vec<Written>, Vec<Written>) = series(5)
        .into_iter()
        .map(|(labels, samples)| {
            let (late, early) = samples.into_iter().enumerate().partition(|(number, _)| number % 17 == 0);
            let samples = |all: Vec<(usize, Sample)>| all.into_iter().map(|one| one.1).collect::<Vec<_>>();
            ((labels.clone(), samples(early)), (labels, samples(late)))
        })
        .unzip();
    put(&latewood, &early).await;
    latewood.flush().await;
    let rng = Rng::seeded(9);
    let expressions: Vec<String> =
        (0..150).map(|_| Generator(Rng::seeded(rng.next_u64())).expression().text).collect();
    let mut cached = 0;
    // What comes late is with the ingester, then in a block of its own.
    for round in 0..3 {
        match round {
            1 => put(&latewood, &late).await,
            2 => latewood.flush().await,
            _ => {}
        }
        for expression in &expressions {
            let middle = START_MS + rng.below(80) as i64 * STEP_MS;
            for [start, end] in [[middle, middle + 300_000], [START_MS, END * 1000]] {
                let times = [start, end, STEP_MS];
                let with = range(&latewood.url, expression, times, &[]).await;
                let without = range(&latewood.url, expression, times, &[("nocache", "1")]).await;
                assert_eq!(with, without, "round {round}: {expression} from {start} to {end}");
            }
            let stats =
                range(&latewood.url, expression, [START_MS, END * 1000, STEP_MS], &[("stats", "1")]).await;
            cached += u64::from(stats["status"] == "success" && cached_steps(&stats) > 0);
        }
    }
    println!("{cached} of {} answers came from the cache", 3 * expressions.len());
    assert!(cached > expressions.len() as u64);
}
