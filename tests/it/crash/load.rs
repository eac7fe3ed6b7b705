//! Writes and queries that go on whoever dies, and what became of the queries.

use std::sync::Arc;
use std::time::Duration;

use latewood_base::{Rng, Shutdown};
use reqwest::StatusCode;
use serde_json::Value;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::steps::{SERIES, START_MS, Steps, value};
use crate::harness::{Answer, Deployment};

/// Longer than any query or restart takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long a reader waits before it asks again for what it did not get.
const PAUSE: Duration = Duration::from_millis(10);

/// The most steps of one query under load: with all of them queries would become fewer and fewer.
const LONGEST: i64 = 1_000;

/// A writer and, at each process that answers queries, a reader that judges every answer.
pub struct Load {
    pub steps: Arc<Steps>,
    pub readers: Vec<Reader>,
    tasks: JoinSet<()>,
    stop: Shutdown,
}

impl Load {
    /// Begins it.
    pub fn on(deployment: &Deployment, rng: &Rng) -> Self {
        let (steps, stop) = (Arc::new(Steps::new()), Shutdown::new());
        let readers: Vec<Reader> =
            deployment.query_urls().into_iter().map(|url| Reader::new(url, &steps)).collect();
        let mut tasks = JoinSet::new();
        let (writing, url, told) = (Arc::clone(&steps), deployment.write_url(), stop.child());
        tasks.spawn(async move { writing.write(&url, &told).await });
        for reader in &readers {
            let reader = reader.clone();
            let (told, rng) = (stop.child(), Rng::seeded(rng.below(u64::MAX)));
            tasks.spawn(async move { reader.ask_until(&told, &rng).await });
        }
        Self { steps, readers, tasks, stop }
    }

    /// Waits until each reader has seen three more of what is expected of it.
    pub async fn each_sees(&self, expected: impl Fn(&Reader) -> fn(&Seen) -> u64) {
        let before: Vec<Seen> = self.readers.iter().map(Reader::seen).collect();
        for (reader, before) in self.readers.iter().zip(before) {
            reader.sees(before, expected(reader), 3).await;
        }
    }

    /// Ends it; fails when any answer was wrong.
    pub async fn stop(mut self) -> Arc<Steps> {
        self.stop.begin();
        while let Some(ended) = self.tasks.join_next().await {
            ended.unwrap();
        }
        self.steps
    }
}

/// Asks one process for what was acknowledged.
#[derive(Clone)]
pub struct Reader {
    pub url: String,
    steps: Arc<Steps>,
    seen: watch::Sender<Seen>,
}

/// How many queries were answered how.
#[derive(Clone, Copy, Debug, Default)]
pub struct Seen {
    /// With all that was acknowledged.
    pub complete: u64,
    /// With 503, or with less and a warning that says so.
    pub incomplete: u64,
    /// Not at all.
    pub unanswered: u64,
}

/// What became of a query.
#[derive(Debug)]
enum Outcome {
    Unanswered,
    Refused,
    Partial(Answer),
    Complete(Answer),
}

impl Reader {
    fn new(url: String, steps: &Arc<Steps>) -> Self {
        Self { url, steps: Arc::clone(steps), seen: watch::Sender::new(Seen::default()) }
    }

    pub fn seen(&self) -> Seen {
        *self.seen.borrow()
    }

    /// Waits until so much more was seen than before; fails after a minute.
    async fn sees(&self, before: Seen, what: fn(&Seen) -> u64, more: u64) {
        let mut seen = self.seen.subscribe();
        let seen = seen.wait_for(|seen| what(seen) >= what(&before) + more);
        let in_time = tokio::time::timeout(PATIENCE, seen).await;
        assert!(in_time.is_ok(), "{}: {:?} after {before:?}", self.url, self.seen());
    }

    async fn ask_until(&self, stop: &Shutdown, rng: &Rng) {
        while !stop.has_begun() {
            let acknowledged = self.steps.acknowledged();
            if acknowledged == 0 {
                self.steps.advance().await;
                continue;
            }
            let below = |bound: i64| i64::try_from(rng.below(bound.unsigned_abs())).unwrap();
            // The newest steps, or any others.
            let end = if rng.below(2) == 0 { acknowledged } else { 1 + below(acknowledged) };
            let first = end - 1 - below(end.min(LONGEST));
            let outcome = self.ask(first, end, rng.below(2) == 0, rng.below(2) == 0).await;
            if !matches!(outcome, Outcome::Complete(_)) {
                tokio::time::sleep(PAUSE).await;
            }
        }
    }

    /// Asks for the numbers, or for the sums, of a range of steps that were acknowledged, and judges the answer.
    async fn ask(&self, first: i64, end: i64, sums: bool, partial: bool) -> Outcome {
        let window = format!("(steps[{}ms])", end - first);
        let expression = if sums { "sum_over_time" } else { "count_over_time" }.to_owned() + &window;
        let expected = |series: i64| match sums {
            true => (first..end).map(|step| value(series, step)).sum(),
            false => (end - first) as f64,
        };
        let outcome = outcome(&self.url, &expression, (START_MS + end - 1) as f64 / 1000.0, partial).await;
        let about = format!("{} {expression} of steps {first} to {end}", self.url);
        match &outcome {
            Outcome::Complete(answer) => {
                assert_eq!(answer.0.len() as i64, SERIES, "{about}: {answer:?}");
                each(answer, |series, found| assert_eq!(found, expected(series), "{about}: {series}"));
            }
            Outcome::Partial(answer) => {
                assert!(partial, "{about}: partial, and nobody wanted it");
                each(answer, |series, found| assert!(found <= expected(series), "{about}: {series}"));
            }
            Outcome::Refused | Outcome::Unanswered => {}
        }
        self.seen.send_modify(|seen| match outcome {
            Outcome::Complete(_) => seen.complete += 1,
            Outcome::Partial(_) | Outcome::Refused => seen.incomplete += 1,
            Outcome::Unanswered => seen.unanswered += 1,
        });
        outcome
    }

    /// Everything that is acknowledged is answered now.
    pub async fn ask_for_all(&self) {
        for sums in [false, true] {
            let outcome = self.ask(0, self.steps.acknowledged(), sums, false).await;
            assert!(matches!(outcome, Outcome::Complete(_)), "{}: {outcome:?}", self.url);
        }
    }
}

/// The number of each series.
fn each(answer: &Answer, judge: impl Fn(i64, f64)) {
    for (labels, points) in &answer.0 {
        judge(labels["series"].parse().unwrap(), points.values().sum());
    }
}

async fn outcome(url: &str, expression: &str, seconds: f64, partial: bool) -> Outcome {
    let form = [
        ("query", expression.to_owned()),
        ("time", seconds.to_string()),
        ("partial_response", partial.to_string()),
    ];
    let request = reqwest::Client::new().post(format!("{url}/api/v1/query")).form(&form).timeout(PATIENCE);
    let answered = async {
        let answer = request.send().await?;
        Ok((answer.status(), answer.json::<Value>().await?))
    };
    let (status, body): (StatusCode, Value) = match answered.await {
        Ok(answered) => answered,
        Err(error) => {
            let error: reqwest::Error = error;
            assert!(!error.is_timeout(), "{url} {expression}: {error}");
            return Outcome::Unanswered;
        }
    };
    let warnings = body["warnings"].as_array();
    match status.as_u16() {
        200 if warnings.is_none() => Outcome::Complete(answer_of(&body)),
        200 => {
            assert!(body["warnings"].to_string().contains("partial response"), "{body}");
            Outcome::Partial(answer_of(&body))
        }
        503 => Outcome::Refused,
        _ => panic!("{url} {expression}: {status} {body}"),
    }
}

fn answer_of(body: &Value) -> Answer {
    Answer::of(&body["data"]).with_counts_of_histograms()
}
