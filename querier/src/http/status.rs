//! `status/*`.

use std::collections::BTreeMap;

use chrono::{DateTime, SecondsFormat};
use latewood_proto::store::wire::{Count, StatisticsResponse};

use super::Call;
use super::envelope::Answer;
use super::json::Json;
use crate::ApiError;
use crate::fanout::Pinned;

/// Entries of each list of `status/tsdb`, and the most that may be asked for.
const DEFAULT_TSDB_ENTRIES: u64 = 10;
const MAX_TSDB_ENTRIES: u64 = 10_000;
/// What Go calls a process whose memory nothing limits.
const NO_LIMIT: i64 = i64::MAX;

pub(super) async fn buildinfo(call: Call) -> Result<Answer, ApiError> {
    let status = &call.api.status;
    let fields = [
        ("version", call.api.config.prometheus_version.as_str()),
        ("revision", &status.revision),
        ("branch", &status.branch),
        ("buildUser", ""),
        ("buildDate", &status.build_date),
        ("goVersion", &status.compiler),
        ("application", "Latewood"),
        ("applicationVersion", &status.version),
    ];
    Ok(Answer::new(|json| json.object(fields, Json::string)))
}

/// Go's words for what this runtime has too: tasks are its goroutines, worker threads its processors.
pub(super) async fn runtimeinfo(call: Call) -> Result<Answer, ApiError> {
    let (api, status) = (&call.api, &call.api.status);
    let runtime = tokio::runtime::Handle::current().metrics();
    let texts = [
        ("startTime", rfc3339(status.started_ms)),
        ("CWD", status.working_dir.clone()),
        ("hostname", status.hostname.clone()),
        ("serverTime", rfc3339(api.clock.now_ms())),
        ("lastConfigTime", rfc3339(status.configured_ms)),
        ("GOGC", String::new()),
        ("GODEBUG", String::new()),
        ("storageRetention", status.retention.clone()),
    ];
    let numbers = [
        // A damaged journal keeps the process from starting.
        ("corruptionCount", 0),
        ("goroutineCount", runtime.num_alive_tasks() as i64),
        ("GOMAXPROCS", runtime.num_workers() as i64),
        ("GOMEMLIMIT", NO_LIMIT),
    ];
    let data = |json: &mut Json| {
        json.raw(r#"{"reloadConfigSuccess":true"#);
        for (name, text) in &texts {
            json.raw(",");
            json.string(name);
            json.raw(":");
            json.string(text);
        }
        for (name, number) in numbers {
            json.raw(",");
            json.string(name);
            json.raw(":");
            json.integer(number);
        }
        json.raw("}");
    };
    Ok(Answer::new(data))
}

pub(super) async fn config(call: Call) -> Result<Answer, ApiError> {
    let yaml = [("yaml", call.api.status.config_yaml.as_str())];
    Ok(Answer::new(|json| json.object(yaml, Json::string)))
}

pub(super) async fn flags(call: Call) -> Result<Answer, ApiError> {
    let flags = call.api.status.flags.iter();
    let flags = flags.map(|(name, value)| (name.as_str(), value.as_str()));
    Ok(Answer::new(|json| json.object(flags, Json::string)))
}

/// The journal is replayed before anything is served.
pub(super) async fn walreplay(_: Call) -> Result<Answer, ApiError> {
    Ok(Answer::new(|json| json.raw(r#"{"min":0,"max":0,"current":0}"#)))
}

pub(super) async fn tsdb(call: Call) -> Result<Answer, ApiError> {
    let limit = match call.params.get("limit") {
        "" => DEFAULT_TSDB_ENTRIES,
        text => match text.parse::<u64>() {
            Ok(limit) if (1..=MAX_TSDB_ENTRIES).contains(&limit) => limit,
            Ok(limit) if limit > MAX_TSDB_ENTRIES => {
                return Err(ApiError::invalid(format!("limit must not exceed {MAX_TSDB_ENTRIES}")));
            }
            _ => return Err(ApiError::invalid("limit must be a positive number")),
        },
    };
    let fanout = &*call.api.fanout;
    let read = move |pinned: Pinned| async move { fanout.head_statistics(&pinned, limit).await };
    let (parts, warnings) = fanout.under_view(&call.tenant, call.partial()?, read).await?;
    let data = |json: &mut Json| write_tsdb(json, &parts, usize::try_from(limit).unwrap_or(usize::MAX));
    Ok(Answer::annotated(data, &warnings, &[]))
}

/// Sums over the ingesters. Without a series the times are the wrong way round, as Prometheus has them.
fn write_tsdb(json: &mut Json, parts: &[StatisticsResponse], limit: usize) {
    let sum = |of: fn(&StatisticsResponse) -> u64| parts.iter().map(of).sum::<u64>();
    let holding = || parts.iter().filter(|part| part.series > 0);
    json.raw(r#"{"headStats":"#);
    let stats = [
        ("numSeries", i128::from(sum(|part| part.series))),
        ("numLabelPairs", i128::from(sum(|part| part.label_pairs))),
        ("chunkCount", i128::from(sum(|part| part.chunks))),
        ("minTime", holding().map(|part| part.min_time_ms).min().unwrap_or(i64::MAX).into()),
        ("maxTime", holding().map(|part| part.max_time_ms).max().unwrap_or(i64::MIN).into()),
    ];
    json.object(stats, Json::integer);
    type Counts = fn(&StatisticsResponse) -> &[Count];
    let lists: [(&str, Counts); 4] = [
        ("seriesCountByMetricName", |part| &part.series_by_metric),
        ("labelValueCountByLabelName", |part| &part.values_by_label),
        ("memoryInBytesByLabelName", |part| &part.bytes_by_label),
        ("seriesCountByLabelValuePair", |part| &part.series_by_pair),
    ];
    for (name, of) in lists {
        json.raw(",");
        json.string(name);
        json.raw(":");
        json.list(greatest(parts.iter().flat_map(of), limit), |json, (name, value)| {
            json.raw(r#"{"name":"#);
            json.string(name);
            json.raw(r#","value":"#);
            json.integer(value);
            json.raw("}");
        });
    }
    json.raw("}");
}

/// The greatest counts after those of one name are added up: ingesters hold different series.
fn greatest<'a>(counts: impl Iterator<Item = &'a Count>, limit: usize) -> Vec<(&'a str, u64)> {
    let mut sums: BTreeMap<&str, u64> = BTreeMap::new();
    for count in counts {
        let sum = sums.entry(&count.name).or_default();
        *sum = sum.saturating_add(count.value);
    }
    let mut sorted: Vec<_> = sums.into_iter().collect();
    sorted.sort_by_key(|&(_, value)| std::cmp::Reverse(value));
    sorted.truncate(limit);
    sorted
}

fn rfc3339(at_ms: i64) -> String {
    let at = DateTime::from_timestamp_millis(at_ms).unwrap_or_default();
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}
