//! The labels of what `absent` and `absent_over_time` return.

use std::collections::BTreeSet;

use latewood_model::{Labels, LabelsBuilder, METRIC_NAME, MatchOp};

use crate::ast::{Expr, ExprKind};

/// The labels that a selector's `=` matchers say for sure; a label with any further matcher says nothing. None for
/// anything but a selector.
#[must_use]
pub fn labels_of(expr: &Expr) -> Labels {
    let (ExprKind::Selector(selector) | ExprKind::Matrix { selector, .. }) = &expr.kind else {
        return Labels::empty();
    };
    let (mut labels, mut seen) = (LabelsBuilder::new(), BTreeSet::new());
    for matcher in selector.matchers.iter().filter(|matcher| matcher.name() != METRIC_NAME) {
        if matcher.op() == MatchOp::Equal && seen.insert(matcher.name()) {
            labels.set(matcher.name(), matcher.value());
        } else {
            labels.set(matcher.name(), "");
        }
    }
    labels.build()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::{ParseOptions, parse};

    #[test]
    fn only_plain_equalities_count() {
        for (query, expected) in [
            (r#"up{job="a",instance=~"b",zone!="c"}"#, r#"{job="a"}"#),
            (r#"up{job="a",job="b",x="y"}[5m]"#, r#"{x="y"}"#),
            (r#"up{job="a",job=~"a.*"}"#, "{}"),
            (r#"sum(up{job="a"})"#, "{}"),
        ] {
            let labels = parse(query, &ParseOptions::default()).map(|expr| labels_of(&expr).to_string());
            assert_eq!(labels.as_deref(), Ok(expected), "{query}");
        }
    }
}
