//! Random expressions, asked of a real Prometheus 3.5 and of Latewood: the same answers.
//!
//! `LATEWOOD_EXPRESSIONS` sets how many (100,000 for a thorough run), `LATEWOOD_SEED` another seed.

pub mod data;
pub mod generate;
pub mod histograms;

use std::sync::Arc;
use std::time::Duration;

use latewood_base::{Clock, Rng};
use regex::Regex;

use crate::harness::{Answer, Latewood, Peers, Prometheus, differences, write, write_v2};
use data::END;
use generate::{Generated, Generator};

/// Asked at once.
const AT_ONCE: u64 = 8;
/// In CI the time is the limit, so that a slow machine is not failed.
const LONGEST: Duration = Duration::from_secs(60);

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|number| number.parse().unwrap())
}

/// Two servers with the same data.
struct Pair {
    ours: Latewood,
    theirs: Prometheus,
    known: Vec<Regex>,
}

impl Pair {
    async fn start(peers: &Peers, folder: &std::path::Path, seed: u64) -> Self {
        let ours = Latewood::start(&folder.join("data"), &[]);
        let theirs = Prometheus::start(peers, folder, "global: {}\n").await;
        let series = data::series(seed);
        for url in [&ours.url, &theirs.url] {
            let (status, text) = write(url, &series).await.unwrap();
            assert!((200..300).contains(&status), "{url} answered {status}: {text}");
            let (status, text) = write_v2(url, histograms::request(seed)).await.unwrap();
            assert!((200..300).contains(&status), "{url} answered {status} to histograms: {text}");
        }
        let lines = include_str!("known.txt").lines().filter(|line| !line.starts_with('#'));
        let known: Vec<Regex> =
            lines.map(|line| Regex::new(line.split('\t').next().unwrap()).unwrap()).collect();
        assert!(known.len() <= 20, "too many known differences");
        Self { ours, theirs, known }
    }

    /// What differs, at one time and over a range.
    async fn difference(&self, expression: &str) -> Option<String> {
        let end = END as f64 - 100.0;
        let [ours, theirs] = [&self.ours.url, &self.theirs.url].map(|url| async move {
            let instant = Answer::instant(url, expression, end).await;
            (instant, Answer::range(url, expression, end - 600.0, end, 45.0).await)
        });
        let (ours, theirs) = tokio::join!(ours, theirs);
        compare(&ours.0, &theirs.0)
            .or_else(|| compare(&ours.1, &theirs.1).map(|text| format!("range: {text}")))
    }

    /// The smallest part that differs and is not known to; with what is different.
    async fn smallest(&self, generated: &Generated) -> Option<String> {
        for part in generated.all() {
            if let Some(difference) = self.difference(&part.text).await {
                let found = format!("{}\n    {difference}", part.text);
                let is_known = self.known.iter().any(|known| known.is_match(&found));
                return (!is_known).then_some(found);
            }
        }
        None
    }
}

fn compare(ours: &Result<Answer, String>, theirs: &Result<Answer, String>) -> Option<String> {
    match (ours, theirs) {
        (Ok(ours), Ok(theirs)) => differences(ours, theirs).into_iter().next(),
        (Err(_), Err(_)) => None,
        (ours, theirs) => {
            let word =
                |answer: &Result<Answer, String>| answer.as_ref().err().cloned().unwrap_or("data".to_owned());
            Some(format!("ours: {}; theirs: {}", word(ours), word(theirs)))
        }
    }
}

#[tokio::test]
async fn random_expressions_give_the_answers_of_prometheus() {
    let Some(peers) = Peers::find() else { return };
    let folder = tempfile::tempdir().unwrap();
    let seed = number("LATEWOOD_SEED").unwrap_or(1);
    let pair = Arc::new(Pair::start(&peers, folder.path(), seed).await);
    let wanted = number("LATEWOOD_EXPRESSIONS");
    let clock = Clock::system();
    let started = clock.elapsed();
    let mut workers = tokio::task::JoinSet::new();
    for worker in 0..AT_ONCE {
        let generator = Generator(Rng::seeded(seed * 1000 + worker));
        let (pair, clock) = (Arc::clone(&pair), clock.clone());
        workers.spawn(async move {
            let (mut asked, mut found) = (0_u64, Vec::new());
            let goes_on =
                |asked| wanted.map_or(clock.elapsed() - started < LONGEST, |wanted| asked * AT_ONCE < wanted);
            while goes_on(asked) && found.len() < 5 {
                let generated = generator.expression();
                asked += 1;
                if pair.difference(&generated.text).await.is_some() {
                    found.extend(pair.smallest(&generated).await);
                }
            }
            (asked, found)
        });
    }
    let done = workers.join_all().await;
    let asked: u64 = done.iter().map(|worker| worker.0).sum();
    let found: Vec<String> = done.into_iter().flat_map(|worker| worker.1).collect();
    assert!(found.is_empty(), "{} of {asked} expressions differ:\n{}", found.len(), found.join("\n"));
    assert!(asked >= wanted.unwrap_or(100), "only {asked} expressions were asked in time");
    eprintln!("{asked} expressions gave the same answers");
}
