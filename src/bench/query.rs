//! `latewood bench query`: asks queries again and again and measures the answers.

use anyhow::{Context, bail};
use clap::Args;
use latewood_base::Clock;
use serde_json::{Value, json};

use super::queries::QUERIES;
use super::report::{cpu_seconds, quantile};

/// Flags of `latewood bench query`.
#[derive(Clone, Debug, Args)]
pub struct QueryArgs {
    /// The server, without `/api/v1`
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:9009")]
    pub url: String,
    /// Expressions to ask [default: the benchmark's own set, for the datasets of `bench write`]
    #[arg(long = "query", value_name = "EXPR")]
    pub queries: Vec<String>,
    /// How often each is asked
    #[arg(long, default_value_t = 10)]
    pub repeat: usize,
    /// End of the range, in seconds since the epoch [default: now]
    #[arg(long)]
    pub end: Option<i64>,
    /// Length of the range, in seconds; 0 asks instant queries
    #[arg(long, default_value_t = 1500)]
    pub range: i64,
    /// Step of the range, in seconds
    #[arg(long, default_value_t = 15)]
    pub step: i64,
    /// Measure the CPU time of this process, the server's, during the load
    #[arg(long)]
    pub pid: Option<u32>,
}

/// Asks each expression `repeat` times, one after another.
pub async fn run(args: QueryArgs) -> anyhow::Result<Value> {
    if args.step <= 0 || args.range < 0 {
        bail!("--step must be at least 1 and --range must not be negative");
    }
    let clock = Clock::system();
    let default: Vec<String> = QUERIES.iter().map(|query| (*query).to_owned()).collect();
    let queries = if args.queries.is_empty() { &default } else { &args.queries };
    let end = args.end.unwrap_or_else(|| clock.now_ms() / 1000);
    let client = reqwest::Client::new();
    let mut reports = Vec::new();
    for query in queries {
        let cpu = args.pid.and_then(cpu_seconds);
        let (mut times, mut bytes) = (Vec::new(), 0);
        for _ in 0..args.repeat {
            let started = clock.elapsed();
            bytes = ask(&client, &args, query, end).await?;
            times.push(clock.elapsed() - started);
        }
        times.sort_unstable();
        let used = args.pid.and_then(cpu_seconds).zip(cpu).map(|(after, before)| after - before);
        reports.push(json!({
            "query": query, "asked": args.repeat, "bytes": bytes, "p50": quantile(&times, 0.5),
            "p95": quantile(&times, 0.95), "server_cpu_seconds": used,
        }));
    }
    Ok(Value::Array(reports))
}

async fn ask(client: &reqwest::Client, args: &QueryArgs, query: &str, end: i64) -> anyhow::Result<usize> {
    let (path, mut form) = ("query", vec![("query", query.to_owned())]);
    let path = if args.range == 0 {
        form.push(("time", end.to_string()));
        path
    } else {
        let range = [("start", end - args.range), ("end", end), ("step", args.step)];
        form.extend(range.map(|(name, number)| (name, number.to_string())));
        "query_range"
    };
    let url = format!("{}/api/v1/{path}", args.url);
    let answer = client.post(&url).form(&form).send().await.with_context(|| format!("cannot ask {url}"))?;
    let status = answer.status();
    let body = answer.bytes().await?;
    if !status.is_success() {
        bail!("{url} answered {status}: {}", String::from_utf8_lossy(&body));
    }
    Ok(body.len())
}
