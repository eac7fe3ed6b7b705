//! Questions about what was just written, warm.
//!
//! Each server is asked each question until enough CPU time was used to be counted, caches of answers switched off.
//! Before that, what Latewood answers is held against Prometheus.

use std::fs;

use crate::costs::{Cost, Costs, KINDS};
use crate::harness::{Peers, differences};
use crate::load::Load;
use crate::questions::{Api, DASHBOARD, Question, range};
use crate::report::{cpu_seconds, memory_bytes};
use crate::server::Server;

/// CPU time is counted in hundredths: so much is asked for.
const ENOUGH_SECONDS: f64 = 0.3;
/// Answers that are asked for at most to get there.
const MAX_ASKED: usize = 5_000;

/// Writes the load to all servers and asks in turns.
pub async fn measure(peers: &Peers, rounds: usize, load: &Load, questions: &[Question], costs: &mut Costs) {
    let folder = tempfile::tempdir().unwrap();
    let mut servers = Vec::new();
    for kind in KINDS {
        let server = Server::start(peers, kind, folder.path()).await;
        load.write(kind, &server.url);
        server.settle().await;
        server.wait_for(load).await;
        if load.is_old() {
            server.store().await;
        }
        server.rest().await;
        servers.push(server);
        eprintln!("{} has {} samples", kind.name(), load.total());
    }
    for question in questions {
        check(&servers, load, question).await;
    }
    for round in 1..=rounds {
        eprintln!("round {round}");
        for question in questions {
            for (server, kind) in servers.iter().zip(KINDS) {
                costs.add(question, load, kind, cost(server, load, question).await);
            }
        }
    }
}

/// Asks all servers once, and compares Latewood's answer with that of Prometheus.
async fn check(servers: &[Server], load: &Load, question: &Question) {
    let texts = match question.api {
        Api::Dashboard(_) => DASHBOARD.to_vec(),
        _ => vec![question.text],
    };
    for text in texts {
        let question = Question { text, ..*question };
        let [ours, theirs, _] = [
            servers[0].answer(&question, load).await,
            servers[1].answer(&question, load).await,
            servers[2].answer(&question, load).await,
        ];
        assert!(ours.len() > 0 || text.starts_with("absent"), "{text} gives nothing");
        let differences = differences(&ours, &theirs);
        assert!(differences.is_empty(), "{text}: {} differences, {}", differences.len(), differences[0]);
    }
}

/// What one answer costs the server.
async fn cost(server: &Server, load: &Load, question: &Question) -> Cost {
    let pid = server.pid();
    // 5 sets the peak back to what is resident now: proc(5).
    fs::write(format!("/proc/{pid}/clear_refs"), "5").unwrap();
    let resident = memory_bytes(pid, "VmRSS").unwrap();
    let before = cpu_seconds(pid).unwrap();
    let (mut asked, mut used) = (0, 0.0);
    while used < ENOUGH_SECONDS && asked < MAX_ASKED {
        asked += ask(server, load, question).await;
        used = cpu_seconds(pid).unwrap() - before;
    }
    let peak = memory_bytes(pid, "VmHWM").unwrap().saturating_sub(resident);
    Cost { seconds: used / asked as f64, peak: peak as f64 }
}

/// Asks once and throws the answer away; how many answers there were.
async fn ask(server: &Server, load: &Load, question: &Question) -> usize {
    let Api::Dashboard(users) = question.api else {
        server.ask(question, load).await;
        return 1;
    };
    let user = async |first: usize| {
        for panel in 0..DASHBOARD.len() {
            // Each begins elsewhere, as people do.
            let text = DASHBOARD[(first + panel) % DASHBOARD.len()];
            server.ask(&Question { text, ..*question }, load).await;
        }
    };
    futures::future::join_all((0..users).map(user)).await;
    users * DASHBOARD.len()
}

/// Parameters of a question's request, its path first.
pub fn request(question: &Question, load: &Load) -> (String, Vec<(&'static str, String)>) {
    let span = |start: i64, end: i64| vec![("start", start.to_string()), ("end", end.to_string())];
    let text = question.text.to_owned();
    let (path, mut form) = match question.api {
        Api::Instant => ("query".to_owned(), vec![("query", text), ("time", load.end().to_string())]),
        Api::Range(seconds, steps) => ("query_range".to_owned(), over(text, range(load, seconds, steps))),
        Api::Dashboard(_) => ("query_range".to_owned(), over(text, range(load, 3_000, 100))),
        Api::LabelValues => (format!("label/{text}/values"), span(load.start, load.end())),
        Api::Series => {
            let mut form = span(load.start, load.end());
            form.push(("match[]", text));
            ("series".to_owned(), form)
        }
    };
    form.extend([("nocache", "1".to_owned()), ("latency_offset", "1ms".to_owned())]);
    (path, form)
}

fn over(text: String, (start, end, step): (f64, f64, f64)) -> Vec<(&'static str, String)> {
    let [start, end, step] = [start, end, step].map(|number| number.to_string());
    vec![("query", text), ("start", start), ("end", end), ("step", step)]
}
