//! What is asked: the query set of dashboards, over an hour of many series and over a month of fewer.

use crate::load::Load;

/// How a question is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Api {
    /// `query`, at the end of the data.
    Instant,
    /// `query_range` over so many seconds up to the end of the data, in so many steps.
    Range(i64, i64),
    /// `label/…/values`; the question is the label's name.
    LabelValues,
    /// `series`; the question is the selector.
    Series,
    /// All range questions of the dashboard at once, by so many users.
    Dashboard(usize),
}

/// One question.
#[derive(Clone, Copy, Debug)]
pub struct Question {
    /// How it is asked.
    pub api: Api,
    /// What is asked.
    pub text: &'static str,
    /// How many of twenty series a fold goes over; 0 for what is not measured by series and steps.
    pub twentieths: usize,
}

const fn ask(api: Api, text: &'static str) -> Question {
    Question { api, text, twentieths: 0 }
}

/// An aggregation over all series of so many of the twenty metrics.
const fn fold(twentieths: usize, api: Api, text: &'static str) -> Question {
    Question { api, text, twentieths }
}

/// A panel: 101 steps over the hour, less the first minutes that have no full window.
const PANEL: Api = Api::Range(3_000, 100);

/// Over dataset M, an hour of many series.
pub const HOUR: &[Question] = &[
    ask(Api::Instant, "count({__name__=~\".+\"})"),
    ask(Api::Instant, "sum by (job) (http_requests_1_total)"),
    fold(20, PANEL, "count({__name__=~\".+\"})"),
    fold(1, PANEL, "sum by (job) (rate(http_requests_1_total[5m]))"),
    fold(9, PANEL, "sum by (pod) ({__name__=~\"http_requests_[0-8]_total\"})"),
    fold(1, PANEL, "sum by (job) (process_state_9)"),
    ask(PANEL, "histogram_quantile(0.9, sum by (le, job) (rate(request_duration_0_seconds_bucket[5m])))"),
    ask(PANEL, "topk(5, sum by (instance) (process_state_9))"),
    ask(PANEL, "sum by (namespace) (process_state_10{node=~\"node-0[0-4].*\"})"),
    ask(
        PANEL,
        "sum by (job) (process_state_11{env!~\"test|dev\"}) / on (job) group_left count by (job) (process_state_11)",
    ),
    ask(PANEL, "max_over_time(sum by (region) (process_state_12)[10m:1m])"),
    ask(PANEL, "avg_over_time(process_state_14{namespace=\"team-7\"}[10m])"),
    ask(PANEL, "sum(process_state_13 offset 5m)"),
    ask(PANEL, "http_requests_3_total{pod=~\"app-1-.*\"}"),
    ask(Api::LabelValues, "pod"),
    ask(Api::Series, "http_requests_3_total{pod=~\"app-1-.*\"}"),
    ask(Api::Dashboard(10), "20 panels, 10 users"),
];

/// The panels of the dashboard: small ones, as most are.
pub const DASHBOARD: [&str; 20] = [
    "sum by (job) (rate(http_requests_0_total{namespace=\"team-1\"}[5m]))",
    "sum by (job) (rate(http_requests_1_total{namespace=\"team-2\"}[5m]))",
    "sum by (pod) (rate(http_requests_2_total{namespace=\"team-3\"}[5m]))",
    "sum by (method) (rate(http_requests_3_total{cluster=\"cluster-1\",namespace=\"team-5\"}[5m]))",
    "sum(rate(http_requests_4_total{job=\"service-3\"}[5m]))",
    "sum(increase(http_requests_5_total{job=\"service-4\"}[10m]))",
    "sum by (state) (process_state_9{namespace=\"team-4\"})",
    "avg by (region) (process_state_10{namespace=\"team-5\"})",
    "max by (node) (process_state_11{namespace=\"team-6\"})",
    "min by (job) (process_state_12{namespace=\"team-7\"})",
    "count by (job) (process_state_13{namespace=\"team-8\"})",
    "process_state_14{namespace=\"team-9\",state=\"user\",region=\"eu-1\"}",
    "topk(5, process_state_15{namespace=\"team-10\"})",
    "avg_over_time(process_state_16{namespace=\"team-11\",state=\"user\"}[10m])",
    "max_over_time(process_state_9{namespace=\"team-12\",state=\"user\"}[5m])",
    "histogram_quantile(0.5, sum by (le) (rate(request_duration_0_seconds_bucket{namespace=\"team-13\"}[5m])))",
    "histogram_quantile(0.99, sum by (le) (rate(request_duration_1_seconds_bucket{namespace=\"team-14\"}[5m])))",
    "sum(rate(http_requests_6_total{namespace=\"team-15\"}[5m])) / sum(rate(http_requests_7_total{namespace=\"team-15\"}[5m]))",
    "sum by (job) (process_state_9{namespace=\"team-16\"} offset 10m)",
    "absent(process_state_10{namespace=\"team-17\"})",
];

const DAY: i64 = 86_400;

/// Over dataset H, a month of fewer series.
pub const MONTH: &[Question] = &[
    fold(1, Api::Range(3_600, 60), "sum by (job) (rate(http_requests_1_total[5m]))"),
    fold(1, Api::Range(DAY, 720), "sum by (job) (rate(http_requests_1_total[5m]))"),
    fold(1, Api::Range(30 * DAY, 720), "sum by (job) (rate(http_requests_1_total[1h]))"),
    fold(1, Api::Range(DAY, 720), "sum by (namespace) (process_state_9)"),
    fold(1, Api::Range(30 * DAY, 720), "max by (job) (process_state_10)"),
    ask(Api::Range(30 * DAY, 30), "sum by (region) (avg_over_time(process_state_11[1d]))"),
    ask(
        Api::Range(DAY, 288),
        "histogram_quantile(0.9, sum by (le) (rate(request_duration_0_seconds_bucket[5m])))",
    ),
    ask(Api::Range(DAY, 288), "max_over_time(sum by (region) (process_state_12)[1h:5m])"),
    ask(Api::LabelValues, "instance"),
];

impl Question {
    /// As a table shows it.
    pub fn shown(&self) -> String {
        let text = self.text.replace('|', "\\|");
        match self.api {
            Api::Instant => format!("`{text}`, instant"),
            Api::Range(seconds, steps) => format!("`{text}`, {} / {steps}", span(seconds)),
            Api::LabelValues => format!("values of `{text}`"),
            Api::Series => format!("series `{text}`"),
            Api::Dashboard(_) => text,
        }
    }
}

fn span(seconds: i64) -> String {
    match seconds {
        seconds if seconds % DAY == 0 => format!("{} d", seconds / DAY),
        seconds => format!("{} min", seconds / 60),
    }
}

/// Start, end and step of a range in seconds.
pub fn range(load: &Load, seconds: i64, steps: i64) -> (f64, f64, f64) {
    let end = load.end();
    // Of what there is, where the load was cut down.
    let seconds = seconds.min(end - load.start);
    let step = (seconds / steps).max(1);
    ((end - step * steps) as f64, end as f64, step as f64)
}
