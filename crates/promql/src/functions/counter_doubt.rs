//! Whether a metric that `rate` or `increase` is taken of looks like a counter.

use crate::print::quoted;

/// Prometheus's info about a metric whose name says that it is no counter.
pub fn doubt_by_name(name: &str) -> Option<String> {
    let fits = ["_total", "_sum", "_count", "_bucket"].iter().any(|end| name.ends_with(end));
    (!fits).then(|| {
        let name = quoted(name);
        format!("metric might not be a counter, name does not end in _total/_sum/_count/_bucket: {name}")
    })
}

/// Prometheus's info about a metric whose label `__type__` says so; it is empty where there is none.
pub fn doubt_by_type(name: &str, metric_type: &str) -> Option<String> {
    let fits = matches!(metric_type, "counter" | "histogram");
    (!fits).then(|| {
        let (name, metric_type) = (quoted(name), quoted(metric_type));
        format!(
            "metric might not be a counter, __type__ label is not set to \"counter\" or \"histogram\", got {metric_type}: {name}"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_types_are_told_apart() {
        assert_eq!(doubt_by_name("requests_total"), None);
        assert!(doubt_by_name("requests").is_some_and(|text| text.ends_with("_bucket: \"requests\"")));
        assert_eq!(doubt_by_type("requests", "counter"), None);
        let text = doubt_by_type("requests_total", "");
        assert!(text.is_some_and(|text| text.ends_with("got \"\": \"requests_total\"")));
    }
}
