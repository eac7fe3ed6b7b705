//! Answers with and without the cache, over data that change.

use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use latewood_base::Rng;
use latewood_model::{Labels, TimeRange};
use latewood_testkit::RandomExpressions;
use serde_json::Value;
use url::form_urlencoded;

use crate::{Features, QuerierConfig, ResultsCacheConfig};

mod world;

use world::{Sample, World};

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
/// A UTC midnight.
const BEGIN: i64 = 19_000 * DAY;

/// A range query in its URL.
fn url(query: &str, start: i64, end: i64, step: i64) -> String {
    let seconds = |ms: i64| format!("{}", ms as f64 / 1000.0);
    let mut form = form_urlencoded::Serializer::new(String::from("/api/v1/query_range?"));
    let pairs =
        [("query", query), ("start", &seconds(start)), ("end", &seconds(end)), ("step", &seconds(step))];
    form.extend_pairs(pairs);
    form.finish()
}

fn sample(name: &str, a: &str, at: i64, value: f64) -> Sample {
    (Labels::from_pairs([("__name__", name), ("a", a)]), at, value)
}

/// Steps that came from the cache.
fn cached_steps(body: &str) -> u64 {
    let body: Value = serde_json::from_str(body).unwrap();
    body["data"]["stats"]["latewood"]["cachedSteps"].as_u64().unwrap_or_else(|| panic!("{body}"))
}

/// Four days of samples an hour of two series in blocks of a day; the fourth is still with the ingester.
async fn four_days() -> World {
    four_days_with(QuerierConfig::default()).await
}

async fn four_days_with(config: QuerierConfig) -> World {
    let mut world = World::new(config, BEGIN + 4 * DAY);
    for day in 0..4 {
        let times = (0..24).map(|hour| BEGIN + day * DAY + hour * HOUR);
        world.write(times.flat_map(|at| [sample("m", "1", at, at as f64), sample("m", "2", at, 2.0)]));
        if day < 3 {
            world.flush(true).await;
        }
    }
    world.refresh().await;
    world
}

fn four_days_of(query: &str) -> String {
    url(query, BEGIN, BEGIN + 4 * DAY - HOUR, HOUR) + "&stats=1"
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dashboard_that_is_loaded_again_evaluates_what_is_new() {
    let world = four_days().await;
    let first = world.get(&four_days_of("sum(m)")).await;
    assert_eq!((cached_steps(&first), world.metric("requests_total")), (0, 1));
    // Before, and again before anything is kept.
    assert_eq!(world.span_calls(), 2);
    // Other spaces, and another range: days one to three are kept.
    let again = world.get(&four_days_of(" sum ( m ) ")).await;
    assert_eq!((cached_steps(&again), world.metric("partial_hits_total"), world.span_calls()), (72, 1, 3));
    let inside = url("sum(m)", BEGIN + DAY + HOUR, BEGIN + 3 * DAY - 2 * HOUR, HOUR) + "&stats=1";
    assert_eq!(cached_steps(&world.get(&inside).await), 46);
    assert_eq!(world.metric("hits_total"), 1);
    // Another step, another query.
    assert_eq!(
        cached_steps(
            &world.get(&url("sum(m)", BEGIN, BEGIN + DAY, 2 * HOUR).replace("?", "?stats=1&")).await
        ),
        0
    );
    let result = |body: &str| serde_json::from_str::<Value>(body).unwrap()["data"]["result"].clone();
    assert_eq!(result(&first), result(&again));
    assert!(world.metric("bytes") > 72 * 16 && world.metric("entries") == 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_sample_is_answered_at_once_and_costs_its_day() {
    let mut world = four_days().await;
    world.get(&four_days_of("sum(m)")).await;
    world.write([sample("m", "3", BEGIN + DAY + 90 * MINUTE, 1000.0)]);
    let value_at = |body: &str, at: i64| {
        let body: Value = serde_json::from_str(body).unwrap();
        let values = body["data"]["result"][0]["values"].as_array().unwrap().clone();
        let point = values.into_iter().find(|point| point[0] == at / 1000);
        point.unwrap()[1].as_str().unwrap().parse::<f64>().unwrap()
    };
    let late = BEGIN + DAY + 90 * MINUTE;
    let finer = || url("sum(m{a=\"3\"})", BEGIN, BEGIN + 4 * DAY - HOUR, 30 * MINUTE) + "&stats=1";
    let seen = world.get(&finer()).await;
    assert_eq!(value_at(&seen, late), 1000.0);
    // What is before it is used on.
    let body = world.get(&four_days_of("sum(m)")).await;
    assert_eq!(cached_steps(&body), 24 + 2);
    world.flush(true).await;
    // The block of the late sample reaches from its time to now: day one alone is as before.
    assert_eq!(cached_steps(&world.get(&four_days_of("sum(m)")).await), 24);
    assert_eq!(world.metric("outdated_total"), 2);
    assert_eq!(cached_steps(&world.get(&four_days_of("sum(m)")).await), 96);
    assert_eq!(value_at(&world.get(&finer()).await, late), 1000.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_want_no_cache_leave_nothing_in_it() {
    let world = four_days().await;
    let path = four_days_of("sum(m)");
    let no_store =
        |value: &str| Request::get(&path).header("cache-control", value).body(Body::empty()).unwrap();
    for request in [no_store("no-store"), no_store("max-age=0, No-Store")] {
        assert_eq!(cached_steps(&world.send(request).await), 0);
    }
    assert_eq!(cached_steps(&world.get(&(path.clone() + "&nocache=1")).await), 0);
    assert_eq!((world.span_calls(), world.metric("requests_total"), world.metric("entries")), (0, 0, 0));
    assert_eq!(cached_steps(&world.send(no_store("no-cache")).await), 0);
    assert_eq!(cached_steps(&world.get(&path).await), 72);
    assert_eq!(cached_steps(&world.get(&(path.clone() + "&nocache=true")).await), 0);
    // What is measured must be done.
    assert_eq!(cached_steps(&world.get(&path.replace("stats=1", "stats=all")).await), 0);
    let refused = world.get(&(path + "&nocache=maybe")).await;
    assert!(refused.contains("bad_data"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_young_unaligned_or_has_no_footprint_is_not_kept() {
    let mut world = four_days().await;
    world.flush(true).await;
    world.refresh().await;
    let cached = async |path: &str| cached_steps(&world.get(&(path.to_owned() + "&stats=1")).await);
    for _ in 0..2 {
        assert_eq!(cached(&url("sum(m)", BEGIN + 1, BEGIN + DAY, HOUR)).await, 0);
        assert_eq!(cached(&url("m @ end()", BEGIN, BEGIN + DAY, HOUR)).await, 0);
        assert_eq!(cached(&url("time()", BEGIN, BEGIN + DAY, HOUR)).await, 0);
        assert_eq!(cached(&url("sum(m)", BEGIN + 4 * DAY - 9 * MINUTE, BEGIN + 4 * DAY, MINUTE)).await, 0);
    }
    assert_eq!((world.metric("entries"), world.span_calls()), (0, 0));
    let until_now = url("sum(m)", BEGIN + 4 * DAY - HOUR, BEGIN + 4 * DAY, MINUTE);
    cached(&until_now).await;
    // The youngest ten minutes are evaluated each time.
    assert_eq!(cached(&until_now).await, 51);
    world.hand.advance(Duration::from_secs(120));
    cached(&until_now).await;
    assert_eq!(cached(&until_now).await, 53);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_decides_an_answer_is_part_of_the_key() {
    let mut config = QuerierConfig::default();
    config.results_cache.cache_unaligned_requests = true;
    let mut world = World::new(config, BEGIN + 4 * DAY);
    world.write((0..48).map(|hour| sample("m", "1", BEGIN + hour * HOUR, 1.0)));
    world.flush(false).await;
    world.refresh().await;
    let of = |start: i64, step: i64| url("sum(m)", start, BEGIN + DAY, step) + "&stats=1";
    let get = |path: String, tenant: &str| {
        Request::get(path).header("x-scope-orgid", tenant).body(Body::empty()).unwrap()
    };
    let cached = async |request: Request| cached_steps(&world.send(request).await);
    let requests = || {
        [
            get(of(BEGIN, HOUR), "anonymous"),
            get(of(BEGIN, HOUR), "other"),
            get(of(BEGIN, 2 * HOUR), "anonymous"),
            get(of(BEGIN + 1000, HOUR), "anonymous"),
            get(of(BEGIN, HOUR) + "&lookback_delta=2h", "anonymous"),
            get(of(BEGIN, HOUR) + "&dedup=false", "anonymous"),
            get(of(BEGIN, HOUR) + "&replicaLabels[]=a", "anonymous"),
        ]
    };
    for request in requests() {
        assert_eq!(cached(request).await, 0);
    }
    let mut again = Vec::new();
    for request in requests() {
        again.push(cached(request).await);
    }
    // To the other tenant all is in no block.
    assert_eq!(again, [25, 0, 13, 24, 25, 25, 25]);
    // What is another way of asking the same is no other key.
    let same = of(BEGIN, HOUR)
        + "&lookback_delta=5m&timeout=7s&limit=3&replicaLabels[]=replica&\
         replicaLabels[]=__replica__&replicaLabels[]=prometheus_replica";
    assert_eq!(cached(get(same, "anonymous")).await, 25);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_hour_more_matters_where_replicas_are_put_together() {
    let mut world = four_days().await;
    world.flush(true).await;
    world.refresh().await;
    let path = four_days_of("sum(m)");
    let cached = async |more: &str| cached_steps(&world.get(&(path.clone() + more)).await);
    for more in ["", "&dedup=false"] {
        assert_eq!(cached(more).await, 0);
    }
    assert_eq!((cached("").await, cached("&dedup=false").await), (96, 96));
    // Forty minutes before the first step of the second day.
    world.write([sample("m", "1", BEGIN + DAY - 40 * MINUTE, 1.0)]);
    assert_eq!((cached("").await, cached("&dedup=false").await), (72, 96));
}

#[tokio::test(flavor = "multi_thread")]
async fn kept_answers_go_on_as_days_become_days_of_one_series() {
    let mut world = World::new(QuerierConfig::default(), BEGIN + 4 * DAY);
    let of = |replica: &str, at: i64| {
        (Labels::from_pairs([("__name__", "m"), ("replica", replica)]), at, (at - BEGIN) as f64)
    };
    let days = |from: i64, to: i64| (BEGIN + from + MINUTE..=BEGIN + to).step_by(MINUTE as usize);
    let both = |at: i64| [of("a", at), of("b", at - 20_000)];
    for day in 0..3 {
        world.write(days(day * DAY, day * DAY + DAY).flat_map(both));
        world.flush(true).await;
    }
    world.refresh().await;
    let path = url("sum(count_over_time(m[17m]))", BEGIN + HOUR, BEGIN + 3 * DAY, HOUR) + "&stats=1";
    let points = |body: &str| -> Value {
        serde_json::from_str::<Value>(body).unwrap()["data"]["result"][0]["values"].clone()
    };
    let before = world.get(&path).await;
    assert_eq!(points(&before).as_array().map(Vec::len), Some(72));
    for day in 0..2 {
        let (from, end) = (day * DAY, day * DAY + DAY);
        let window = TimeRange::new(BEGIN + from + 1, BEGIN + end);
        let one = days(from, end).map(|at| of("", at)).collect();
        world.deduplicate(window, one, days(end - HOUR, end).flat_map(both).collect()).await;
        let again = world.get(&path).await;
        assert_eq!(points(&again), points(&before));
        assert!((1..72).contains(&cached_steps(&again)), "{again}");
        assert_eq!(points(&world.get(&(path.clone() + "&nocache=1")).await), points(&before));
    }
    for more in ["&dedup=false", "&dedup=false&nocache=1"] {
        let apart = world.get(&(path.clone() + more)).await;
        assert!(apart.contains("without __replica__, prometheus_replica, replica (with"), "{apart}");
    }
    assert!(!world.get(&path).await.contains("warnings"));
}

#[tokio::test(flavor = "multi_thread")]
async fn deep_expressions_are_kept_too() {
    let world = four_days().await;
    let deep = four_days_of(&format!("m{}", " + m".repeat(900)));
    assert_eq!(cached_steps(&world.get(&deep).await), 0);
    assert_eq!(cached_steps(&world.get(&deep).await), 72);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_lacks_a_source_is_not_kept_and_none_is_taken_in_its_place() {
    let world = four_days().await;
    let path = four_days_of("sum(m)") + "&partial_response=true";
    world.set_away(true);
    let partial = world.get(&path).await;
    assert!(partial.contains("partial response") && world.metric("entries") == 0, "{partial}");
    world.set_away(false);
    world.get(&path).await;
    assert_eq!(cached_steps(&world.get(&path).await), 72);
    // Whether there is anything late, nobody knows now.
    world.set_away(true);
    assert_eq!(cached_steps(&world.get(&path).await), 0);
    assert!(world.get(&four_days_of("sum(m)")).await.contains("connection refused"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_without_a_leader_is_not_kept_and_none_is_taken_in_its_place() {
    let world = four_days_with(QuerierConfig { ring_patience_ms: 100, ..QuerierConfig::default() }).await;
    let path = four_days_of("sum(m)");
    world.set_leads(false);
    for _ in 0..2 {
        let stale = world.get(&path).await;
        assert!(stale.contains("stale response: no ingester leads shards 0"), "{stale}");
        assert_eq!((cached_steps(&stale), world.metric("entries")), (0, 0));
    }
    world.set_leads(true);
    assert!(!world.get(&path).await.contains("warnings"));
    assert_eq!(cached_steps(&world.get(&path).await), 72);
    // What came late, nobody knows now.
    world.set_leads(false);
    let stale = world.get(&path).await;
    assert!(stale.contains("stale response") && cached_steps(&stale) == 0, "{stale}");
    world.set_leads(true);
    assert_eq!(cached_steps(&world.get(&path).await), 72);
}

#[tokio::test(flavor = "multi_thread")]
async fn annotations_are_those_of_the_days_asked_for() {
    let mut world = four_days().await;
    let gauge = BEGIN + DAY + 90 * MINUTE;
    world.write([sample("g", "1", gauge, 1.0), sample("g", "1", gauge + MINUTE, 2.0)]);
    world.flush(true).await;
    world.refresh().await;
    let of = |query: &str, from: i64, to: i64| url(query, BEGIN + from * DAY, BEGIN + to * DAY - HOUR, HOUR);
    let query = "rate({__name__=\"g\"}[1h])";
    let infos = |body: &str| serde_json::from_str::<Value>(body).unwrap()["infos"].clone();
    let mut answers = Vec::new();
    for _ in 0..3 {
        let body = world.get(&of(query, 0, 4)).await;
        assert!(infos(&body)[0].as_str().unwrap().ends_with("(1:6)"), "{body}");
        answers.push(body);
    }
    assert!(answers.windows(2).all(|pair| pair[0] == pair[1]));
    let cached = async |path: String| cached_steps(&world.get(&(path + "&stats=1")).await);
    // Since the second time day by day.
    assert_eq!(cached(of(query, 0, 4)).await, 96);
    // A day without the annotation, and another text, in which it would stand elsewhere.
    assert_eq!(infos(&world.get(&of(query, 2, 4)).await), Value::Null);
    let spaced = "rate(  {__name__=\"g\"}[1h])";
    let body = world.get(&of(spaced, 0, 4)).await;
    assert!(infos(&body)[0].as_str().unwrap().ends_with("(1:8)"), "{body}");
}

#[tokio::test(flavor = "multi_thread")]
async fn annotated_answers_are_taken_from_the_cache_as_their_range_moves() {
    let mut world = World::new(QuerierConfig::default(), BEGIN + DAY);
    world.write((0..24 * 60).map(|minute| sample("g", "1", BEGIN + minute * MINUTE, minute as f64)));
    world.flush(true).await;
    world.refresh().await;
    let mut cached = Vec::new();
    for moved in 0..4 {
        let end = BEGIN + 12 * HOUR + moved * 10 * MINUTE;
        let path = url("rate(g[5m])", end - 6 * HOUR, end, MINUTE);
        let body = world.get(&(path.clone() + "&stats=1")).await;
        cached.push(cached_steps(&body));
        assert_eq!(world.get(&path).await, world.get(&(path + "&nocache=1")).await);
    }
    // Of 361 steps an extent has 180; of those that were asked for in part the annotations are not known.
    assert_eq!((cached[0], cached[3] >= 180), (0, true), "{cached:?}");
}

/// A query that comes again with a range that moves.
struct Panel {
    query: String,
    length: i64,
    step: i64,
    /// By how much its steps are behind multiples of their distance.
    phase: i64,
    /// Other parameters.
    more: &'static str,
}

impl Panel {
    fn new(rng: &Rng) -> Self {
        let query = RandomExpressions(rng).vector(1 + rng.below(3) as u32);
        let length = [6 * HOUR, DAY, 3 * DAY, 5 * DAY][rng.below(4) as usize];
        let step = [10 * MINUTE, 20 * MINUTE, HOUR, 5 * HOUR][rng.below(4) as usize];
        // With `c` the series are pairs of replicas.
        let more = ["", "", "", "", "&replicaLabels[]=c", "&lookback_delta=45m"];
        let more = more[rng.below(more.len() as u64) as usize];
        let phase = if rng.below(4) == 0 { 90_500 } else { 0 };
        Self { query, length, step, phase, more }
    }

    fn url(&self, rng: &Rng, now: i64) -> String {
        let end = now - rng.below(4) as i64 * rng.below(40) as i64 * HOUR;
        let align = |at: i64| at.div_euclid(self.step) * self.step + self.phase;
        url(&self.query, align(end - self.length), align(end), self.step) + self.more
    }
}

fn config(rng: &Rng) -> QuerierConfig {
    let mut config = QuerierConfig::default();
    config.engine.features = Features { promql_delayed_name_removal: false, ..Features::ALL };
    // Some worlds have room for little.
    let max_bytes = if rng.below(3) == 0 { 60_000 } else { 100 << 20 };
    config.results_cache = ResultsCacheConfig {
        max_bytes,
        cache_unaligned_requests: rng.below(2) == 0,
        ..ResultsCacheConfig::default()
    };
    config
}

/// The samples of a quarter of an hour of series of which some come and go.
fn scrape(rng: &Rng, at: i64) -> Vec<Sample> {
    let mut samples = Vec::new();
    for number in 0..24 {
        let (metric, a) = (["m_total", "n"][number / 12], ["1", "2", "3"][number % 3]);
        let (b, c) = (["x", "y"][number / 3 % 2], ["p", "q"][number / 6 % 2]);
        if (at / (7 * HOUR) + number as i64) % 5 == 0 {
            continue;
        }
        let labels = Labels::from_pairs([("__name__", metric), ("a", a), ("b", b), ("c", c)]);
        let value = if rng.below(50) == 0 { 0.0 } else { (at - BEGIN) as f64 / 7e5 + rng.unit() };
        samples.push((labels, at + number as i64, value));
    }
    samples
}

/// Something happens to the data.
async fn happen(world: &mut World, rng: &Rng, now: i64) {
    match rng.below(12) {
        0..4 => {}
        4..6 => world.flush(true).await,
        6 => world.flush(false).await,
        7 => world.compact(rng).await,
        8 if rng.below(4) == 0 => world.expire(rng).await,
        9 => world.delete(rng, ("a", ["1", "2"][rng.below(2) as usize])).await,
        _ => {
            let late = BEGIN + rng.below(((now - BEGIN) / MINUTE).unsigned_abs()) as i64 * MINUTE;
            let samples = scrape(rng, late);
            let some = 1 + rng.below(3) as usize;
            world.write(samples.into_iter().take(some));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_are_the_same_with_and_without_the_cache() {
    let number =
        |name: &str, default| std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default);
    let rng = Rng::seeded(number("LATEWOOD_SEED", 3));
    let (mut compared, mut cached) = (0, 0);
    while compared < number("LATEWOOD_EXPRESSIONS", 300) {
        let mut now = BEGIN + 2 * DAY;
        let mut world = World::new(config(&rng), now);
        for at in (BEGIN..now).step_by(15 * MINUTE as usize) {
            world.write(scrape(&rng, at));
            if rng.below(40) == 0 {
                world.flush(true).await;
            }
        }
        let panels: Vec<Panel> = (0..6).map(|_| Panel::new(&rng)).collect();
        for _ in 0..60 {
            happen(&mut world, &rng, now).await;
            let passed = rng.below(10) as i64;
            for _ in 0..passed {
                now += 15 * MINUTE;
                world.write(scrape(&rng, now));
            }
            world.hand.advance(Duration::from_secs(passed.unsigned_abs() * 900));
            let path = panels[rng.below(panels.len() as u64) as usize].url(&rng, now);
            let with = world.get(&path).await;
            let without = world.get(&(path.clone() + "&nocache=1")).await;
            assert_eq!(with, without, "{path}");
            compared += 1;
        }
        cached += world.metric("cached_steps_total");
    }
    println!("{compared} compared, {cached} steps came from the cache");
    assert!(cached > 8 * compared);
}
