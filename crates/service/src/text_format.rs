//! OpenMetrics text as Prometheus's text format 0.0.4.
//!
//! The two differ in how they call families (OpenMetrics leaves a suffix such as `_total` to the samples, the
//! text format does not), in types, and in lines that the older one lacks.
//! <https://prometheus.io/docs/instrumenting/exposition_formats/>

/// What an encoder of this process has written as OpenMetrics, without exemplars and timestamps, in the text
/// format: each family's `# HELP` line comes before its `# TYPE` line.
pub(crate) fn text_format(open_metrics: &str) -> String {
    let mut text = String::with_capacity(open_metrics.len() + open_metrics.len() / 16);
    let mut help = None;
    for line in open_metrics.lines() {
        if let Some(described) = line.strip_prefix("# HELP ") {
            help = described.split_once(' ');
        } else if let Some((name, kind)) =
            line.strip_prefix("# TYPE ").and_then(|typed| typed.rsplit_once(' '))
        {
            let (suffix, kind) = in_text_format(kind);
            if let Some((_, help)) = help.take() {
                text.extend(["# HELP ", name, suffix, " ", help, "\n"]);
            }
            text.extend(["# TYPE ", name, suffix, " ", kind, "\n"]);
        } else if !line.starts_with('#') {
            text.extend([line, "\n"]);
        }
    }
    text
}

/// The suffix that a type's family has in the text format, and its type there.
fn in_text_format(kind: &str) -> (&'static str, &str) {
    match kind {
        "counter" => ("_total", kind),
        "info" => ("_info", "gauge"),
        "unknown" => ("", "untyped"),
        _ => ("", kind),
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text::encode;
    use prometheus_client::metrics::counter::Counter;
    use prometheus_client::metrics::family::Family;
    use prometheus_client::metrics::gauge::Gauge;
    use prometheus_client::metrics::histogram::Histogram;
    use prometheus_client::metrics::info::Info;
    use prometheus_client::registry::{Registry, Unit};

    use super::*;

    #[test]
    fn families_have_the_names_of_their_samples() {
        let mut registry = Registry::default();
        let requests = Family::<[(&str, &str); 1], Counter>::default();
        requests.get_or_create(&[("path", "# TYPE \"a\"\n# EOF")]).inc_by(3);
        registry.register("requests", "Requests # by path", requests);
        registry.register_with_unit("heap", "Memory", Unit::Bytes, Gauge::<i64>::default());
        registry.register("took_seconds", "Time", Histogram::new([0.5]));
        registry.register("build", "What it is", Info::new([("version", "1")]));
        let mut open_metrics = String::new();
        encode(&mut open_metrics, &registry).unwrap();
        let expected = r##"# HELP requests_total Requests # by path.
# TYPE requests_total counter
requests_total{path="# TYPE \"a\"\n# EOF"} 3
# HELP heap_bytes Memory.
# TYPE heap_bytes gauge
heap_bytes 0
# HELP took_seconds Time.
# TYPE took_seconds histogram
took_seconds_sum 0.0
took_seconds_count 0
took_seconds_bucket{le="0.5"} 0
took_seconds_bucket{le="+Inf"} 0
# HELP build_info What it is.
# TYPE build_info gauge
build_info{version="1"} 1
"##;
        assert_eq!(text_format(&open_metrics), expected);
    }
}
