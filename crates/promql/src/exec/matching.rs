//! Label sets as binary operations see them: signatures, and the labels of results.

use latewood_model::{Labels, LabelsBuilder, METRIC_NAME};

use crate::ast::{BinaryOp, Cardinality, Matching};

/// The labels that say what a metric is: operators that change its meaning drop them.
pub(super) const RESERVED: [&str; 3] = [METRIC_NAME, "__type__", "__unit__"];

/// The labels without those that say what the metric is.
pub(super) fn drop_reserved(labels: &Labels) -> Labels {
    if labels.iter().any(|(name, _)| RESERVED.contains(&name)) {
        labels.without(&RESERVED)
    } else {
        labels.clone()
    }
}

/// What must be equal for two elements to match.
pub(super) fn signature(labels: &Labels, matching: &Matching) -> Labels {
    let names = matching.labels.iter().map(String::as_str);
    if matching.on {
        labels.keep(&names.collect::<Vec<_>>())
    } else {
        labels.without(&names.chain([METRIC_NAME]).collect::<Vec<_>>())
    }
}

/// The labels of the result of matched elements.
pub(super) fn result_labels(
    many: &Labels,
    one: &Labels,
    op: BinaryOp,
    drops_name: bool,
    matching: &Matching,
) -> Labels {
    let mut result = if drops_name || op.changes_meaning() { drop_reserved(many) } else { many.clone() };
    if matching.cardinality == Cardinality::OneToOne {
        let names: Vec<&str> = matching.labels.iter().map(String::as_str).collect();
        result = if matching.on { result.keep(&names) } else { result.without(&names) };
    }
    if !matching.include.is_empty() {
        let mut builder = LabelsBuilder::from(&result);
        for name in &matching.include {
            builder.set(name, one.get(name).unwrap_or_default());
        }
        result = builder.build();
    }
    result
}
