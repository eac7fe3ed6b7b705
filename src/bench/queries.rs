//! What is asked of the datasets of `bench write`.

/// Expressions over one dataset, from one series' worth of work to all of them.
pub const QUERIES: &[&str] = &[
    "count({__name__=~\".+\"})",
    "sum by (job) (rate(http_requests_1_total[5m]))",
    "sum by (pod) (rate(http_requests_2_total[5m]))",
    "sum by (job) (process_state_9)",
    "histogram_quantile(0.9, sum by (le, job) (rate(request_duration_0_seconds_bucket[5m])))",
    "topk(5, sum by (instance) (process_state_9))",
    "sum by (namespace) (process_state_10{node=~\"node-0[0-4].*\"})",
    "sum by (job) (process_state_11{env!~\"test|dev\"}) / on (job) group_left count by (job) (process_state_11)",
    "max_over_time(sum by (region) (process_state_12)[10m:1m])",
    "avg_over_time(process_state_14{namespace=\"team-7\"}[10m])",
    "sum(process_state_13 offset 5m)",
    "http_requests_3_total{pod=~\"app-1-.*\"}",
];
