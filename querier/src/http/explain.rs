//! `query_explain` and the `analysis` of `analyze=true`: a plan as a tree of names, as Thanos answers it, with what each
//! operator took.

use std::time::Duration;

use latewood_model::Resolution;
use latewood_promql::Analysis;
use latewood_promql::plan::ExplainedNode;

use super::envelope::Answer;
use super::json::Json;
use super::{Call, query};
use crate::ApiError;
use crate::evaluate::Query;

/// `query_explain`: of a range query if `start`, `end` or `step` is given. Nothing is run.
pub(super) async fn explain(call: Call) -> Result<Answer, ApiError> {
    let is_range = ["start", "end", "step"].into_iter().any(|name| !call.params.get(name).is_empty());
    if is_range { range(call).await } else { instant(call).await }
}

async fn instant(call: Call) -> Result<Answer, ApiError> {
    let query = query::instant_query(&call).await?;
    answer(&call, Query::Instant(query)).await
}

/// `query_range_explain`
pub(super) async fn range(call: Call) -> Result<Answer, ApiError> {
    let query = query::range_query(&call).await?;
    answer(&call, Query::Range(query)).await
}

async fn answer(call: &Call, query: Query) -> Result<Answer, ApiError> {
    let plan = call.api.evaluator.explain(query).await?;
    Ok(Answer::new(|json| write_tree(json, plan.0.iter().map(|node| (node, node)), write_name)))
}

/// What the operators of a query took, as a tree.
pub(super) fn write_analysis(json: &mut Json, analysis: &Analysis) {
    let nodes = analysis.0.iter().map(|analyzed| (&analyzed.node, analyzed));
    write_tree(json, nodes, |json, analyzed| {
        write_name(json, &analyzed.node);
        let figures = &analyzed.figures;
        for (name, time) in [("executionTime", figures.time), ("ownExecutionTime", figures.own_time)] {
            json.raw(&format!(",\"{name}\":"));
            json.string(&go_duration(time));
        }
        for (name, number) in [
            ("peakSamples", figures.peak_samples),
            ("totalSamples", figures.total_samples),
            ("series", figures.series),
            ("samples", figures.samples),
            ("peakBytes", figures.peak_bytes),
            ("tiles", figures.tiles),
        ] {
            json.raw(&format!(",\"{name}\":{number}"));
        }
        let resolutions: Vec<Resolution> = figures.read_at.iter().collect();
        if !resolutions.is_empty() {
            json.raw(",\"resolutions\":");
            json.list(&resolutions, |json, resolution| json.string(resolution.as_str()));
        }
    });
}

fn write_name(json: &mut Json, node: &ExplainedNode) {
    json.raw("\"name\":");
    json.string(&node.name);
}

/// Writes nodes, each before those below it, as objects with `children`. Without recursion: trees may be deep.
fn write_tree<'a, T>(
    json: &mut Json,
    nodes: impl Iterator<Item = (&'a ExplainedNode, T)>,
    fields: impl Fn(&mut Json, T),
) {
    let mut above: Option<usize> = None;
    for (node, what) in nodes {
        match above {
            Some(before) if node.depth > before => json.raw(",\"children\":["),
            Some(before) => {
                json.raw("}");
                (node.depth..before).for_each(|_| json.raw("]}"));
                json.raw(",");
            }
            None => {}
        }
        json.raw("{");
        fields(json, what);
        above = Some(node.depth);
    }
    match above {
        Some(depth) => {
            json.raw("}");
            (0..depth).for_each(|_| json.raw("]}"));
        }
        None => json.raw("{}"),
    }
}

/// A duration as Go writes it: `1.5s`, `250µs`, `1m0.5s`.
fn go_duration(duration: Duration) -> String {
    let nanos = duration.as_nanos();
    let seconds = duration.as_secs();
    match (nanos, seconds) {
        (0, _) => "0s".to_owned(),
        (..1_000, _) => format!("{nanos}ns"),
        (..1_000_000, _) => format!("{}µs", nanos as f64 / 1e3),
        (..1_000_000_000, _) => format!("{}ms", nanos as f64 / 1e6),
        (_, ..60) => format!("{}s", duration.as_secs_f64()),
        (_, ..3_600) => format!("{}m{}s", seconds / 60, rest(duration)),
        _ => format!("{}h{}m{}s", seconds / 3_600, seconds / 60 % 60, rest(duration)),
    }
}

/// The seconds beyond whole minutes.
fn rest(duration: Duration) -> f64 {
    Duration::new(duration.as_secs() % 60, duration.subsec_nanos()).as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trees_are_closed_where_they_end() {
        for (depths, expected) in [
            (&[] as &[usize], "{}"),
            (&[0], "{0}"),
            (&[0, 1, 1], r#"{0,"children":[{1},{1}]}"#),
            (&[0, 1, 2, 2, 1], r#"{0,"children":[{1,"children":[{2},{2}]},{1}]}"#),
            (&[0, 1, 2], r#"{0,"children":[{1,"children":[{2}]}]}"#),
        ] {
            let nodes: Vec<_> =
                depths.iter().map(|&depth| ExplainedNode { name: String::new(), depth }).collect();
            let mut json = Json::new();
            write_tree(&mut json, nodes.iter().map(|node| (node, node.depth)), |json, depth| {
                json.integer(depth);
            });
            assert_eq!(String::from_utf8(json.into_bytes()).unwrap(), expected);
        }
    }

    #[test]
    fn durations_are_written_as_go_writes_them() {
        for (nanos, expected) in [
            (0, "0s"),
            (999, "999ns"),
            (1_500, "1.5µs"),
            (12_345_678, "12.345678ms"),
            (2_000_000_000, "2s"),
            (60_500_000_000, "1m0.5s"),
            (3_661_000_000_000, "1h1m1s"),
        ] {
            assert_eq!(go_duration(Duration::from_nanos(nanos)), expected);
        }
    }
}
