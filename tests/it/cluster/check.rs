//! Whether a querier has all that was acknowledged, once, and says so if it has not.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use latewood_base::Shutdown;

use serde_json::Value;
use tokio::time::Instant;

use super::load::{Load, SERIES, STEP_MS, epoch, value};

/// How many steps a question while the load runs is about.
const WINDOW: i64 = 150;
/// How many steps one of the last questions is about.
const CHUNK: i64 = 3_000;
const PATIENCE: Duration = Duration::from_secs(15);
/// How long it may take until a querier answers in full when nothing is wrong.
const RECOVERY: Duration = Duration::from_secs(30);

/// What came of a question.
enum Outcome {
    /// All of it.
    Complete(Value),
    /// Less, or nothing, and it says so.
    Told(String),
}

/// Questions to a querier.
pub struct Check {
    url: String,
    load: Arc<Load>,
    /// When the last complete answer came, and the longest time without one.
    paused: Mutex<(Instant, Duration)>,
    /// What the last answer that lacked something said of it.
    told: Mutex<String>,
}

impl Check {
    /// Nothing is asked yet.
    pub fn new(url: String, load: Arc<Load>) -> Arc<Self> {
        Arc::new(Self {
            url,
            load,
            paused: Mutex::new((Instant::now(), Duration::ZERO)),
            told: Mutex::default(),
        })
    }

    /// The longest time without a complete answer.
    pub fn longest_pause(&self) -> Duration {
        self.paused.lock().unwrap().1
    }

    /// Why an answer was not complete, if one was not.
    pub fn told(&self) -> String {
        self.told.lock().unwrap().clone()
    }

    /// Asks all the time, until told to stop.
    pub async fn run(self: Arc<Self>, stop: Shutdown) {
        self.paused.lock().unwrap().0 = Instant::now();
        while !stop.has_begun() {
            for writer in self.load.writers() {
                let until = self.load.acknowledged(writer);
                self.ask(writer, (until - WINDOW).max(0), until).await.ok();
            }
            let _ = self.whole_seconds().await;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Everything that is acknowledged is answered.
    pub async fn all(&self, when: &str) {
        let begun = Instant::now();
        for writer in self.load.writers() {
            let all = self.load.acknowledged(writer);
            for from in (0..all).step_by(usize::try_from(CHUNK).unwrap()) {
                while let Err(told) = self.ask(writer, from, (from + CHUNK).min(all)).await {
                    assert!(begun.elapsed() < RECOVERY, "{when}, no complete answer: {told}");
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
            }
        }
    }

    /// Asks for the raw samples of steps that are acknowledged; what the answer says that it lacks.
    async fn ask(&self, writer: usize, from: i64, until: i64) -> Result<(), String> {
        if from >= until {
            return Ok(());
        }
        let range = (until - from) * STEP_MS;
        let at = self.load.start_ms + (until - 1) * STEP_MS;
        let form = [
            ("query", format!("steps{{writer=\"{writer}\"}}[{range}ms]")),
            ("time", (at as f64 / 1000.0).to_string()),
        ];
        match self.post("query", &form).await {
            Outcome::Complete(data) => {
                let problem = self.judge(&data, from, until);
                assert!(problem.is_none(), "writer {writer}, steps {from} to {until}, {form:?}: {problem:?}");
                Ok(())
            }
            Outcome::Told(told) => Err(told),
        }
    }

    /// What is wrong with an answer that should have these steps of all series.
    fn judge(&self, data: &Value, from: i64, until: i64) -> Option<String> {
        let mut found: BTreeMap<i64, Vec<i64>> = BTreeMap::new();
        for series in data["result"].as_array()? {
            let label = |name: &str| series["metric"][name].as_str()?.parse::<i64>().ok();
            let (Some(number), Some(of)) = (label("series"), label("epoch")) else {
                return Some(format!("an unknown series {series}"));
            };
            for pair in series["values"].as_array()? {
                let ms = (pair[0].as_f64()? * 1000.0).round() as i64;
                let step = (ms - self.load.start_ms) / STEP_MS;
                let got: f64 = pair[1].as_str()?.parse().ok()?;
                if got.to_bits() != value(number, step).to_bits() || of != epoch(number, step) {
                    return Some(format!("series {number} of epoch {of} has {got} at step {step}"));
                }
                found.entry(number).or_default().push(step);
            }
        }
        (0..SERIES).find_map(|series| {
            let mut steps = found.remove(&series).unwrap_or_default();
            steps.sort_unstable();
            let lacks: Vec<i64> = (from..until).filter(|step| steps.binary_search(step).is_err()).collect();
            let twice: Vec<i64> =
                steps.windows(2).filter(|pair| pair[0] == pair[1]).map(|pair| pair[0]).collect();
            (!lacks.is_empty() || !twice.is_empty())
                .then(|| format!("series {series} lacks {lacks:?}, has twice {twice:?}"))
        })
    }

    /// Each whole second of all that is acknowledged by all, as a range query.
    async fn whole_seconds(&self) -> Result<(), String> {
        let all = self.load.writers().map(|writer| self.load.acknowledged(writer)).min().unwrap_or(0);
        let seconds = (all - 1) * STEP_MS / 1000;
        if seconds < 1 {
            return Ok(());
        }
        let first = (seconds - 600).max(1);
        let at = |second: i64| (self.load.start_ms / 1000 + second).to_string();
        let form = [
            ("query", "sum(count_over_time(steps[1s]))".to_owned()),
            ("start", at(first)),
            ("end", at(seconds)),
            ("step", "1".to_owned()),
        ];
        let data = match self.post("query_range", &form).await {
            Outcome::Complete(data) => data,
            Outcome::Told(told) => return Err(told),
        };
        let expected = (1000 / STEP_MS * SERIES) as usize * self.load.writers().len();
        let values = data["result"][0]["values"].as_array().cloned().unwrap_or_default();
        let wrong: Vec<&Value> =
            values.iter().filter(|pair| pair[1].as_str() != Some(&expected.to_string())).collect();
        let all_there = values.len() as i64 == seconds - first + 1;
        assert!(all_there && wrong.is_empty(), "{form:?}: {} of {expected} each: {wrong:?}", values.len());
        Ok(())
    }

    async fn post(&self, path: &str, form: &[(&str, String)]) -> Outcome {
        let url = format!("{}/api/v1/{path}", self.url);
        let request = reqwest::Client::new().post(url).form(form).timeout(PATIENCE);
        let answered = async {
            let answer = request.send().await?;
            Ok::<_, reqwest::Error>((answer.status().as_u16(), answer.json::<Value>().await?))
        };
        let told = |told: String| {
            self.told.lock().unwrap().clone_from(&told);
            Outcome::Told(told)
        };
        match answered.await {
            Err(error) => told(error.to_string()),
            Ok((200, body)) if body["warnings"].is_null() => {
                let (mut paused, now) = (self.paused.lock().unwrap(), Instant::now());
                *paused = (now, paused.1.max(now - paused.0));
                Outcome::Complete(body["data"].clone())
            }
            Ok((200 | 500.., body)) => told(body.to_string()),
            Ok((status, body)) => panic!("{form:?}: {status} {body}"),
        }
    }
}
