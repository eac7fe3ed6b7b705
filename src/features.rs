//! `--enable-feature`: Prometheus's names.

/// Features of Prometheus that change nothing here because Latewood always works so.
const ALWAYS_ON: &[&str] = &[
    "exemplar-storage",
    "metadata-wal-records",
    "promql-at-modifier",
    "promql-duration-expr",
    "promql-negative-offset",
    "st-storage",
];

/// Features that change what Latewood does.
const KNOWN: &[&str] = &latewood_querier::Features::NAMES;

/// Sorts the asked features: returns those that are known here, and warns of the others as Prometheus does.
pub fn enable(asked: &[String]) -> Vec<String> {
    let mut enabled = Vec::new();
    for name in asked.iter().map(|name| name.trim()).filter(|name| !name.is_empty()) {
        if KNOWN.contains(&name) {
            tracing::info!(feature = name, "experimental feature enabled");
            enabled.push(name.to_owned());
        } else if ALWAYS_ON.contains(&name) {
            tracing::info!(feature = name, "this feature is always on");
        } else {
            let known = [KNOWN, ALWAYS_ON].concat().join(", ");
            tracing::warn!(feature = name, known, "unknown option for --enable-feature");
        }
    }
    enabled
}
