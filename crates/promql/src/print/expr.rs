//! Expressions in one line.

use latewood_model::{METRIC_NAME, MatchOp, Matcher};

use crate::ast::{Aggregate, Binary, Cardinality, Expr, ExprKind, Fill, Matching, VectorSelector};
use crate::print::literal::{general, label_name, number, quoted};
use crate::print::suffix;

/// The expression in one line.
#[must_use]
pub fn format(expr: &Expr) -> String {
    match &expr.kind {
        ExprKind::Number(literal) => number(literal),
        ExprKind::Text(text) => text.quoted(),
        ExprKind::Selector(vector) => {
            let (at, extension) = (suffix::at(&vector.shift), suffix::extension(vector));
            format!("{}{at}{extension}{}", selector(vector), suffix::offset(&vector.shift))
        }
        ExprKind::Matrix { selector: vector, range } => {
            let (range, extension) = (suffix::length(range), suffix::extension(vector));
            let (at, offset) = (suffix::at(&vector.shift), suffix::offset(&vector.shift));
            format!("{}[{range}]{extension}{at}{offset}", selector(vector))
        }
        ExprKind::Subquery(subquery) => format(&subquery.expr) + &suffix::subquery(subquery),
        ExprKind::Paren(inner) => format!("({})", format(inner)),
        ExprKind::Unary(op, inner) => format!("{}{}", op.as_str(), format(inner)),
        ExprKind::Binary(binary) => {
            format!("{} {} {}", format(&binary.left), operator(binary), format(&binary.right))
        }
        ExprKind::Aggregate(aggregate) => {
            let param = aggregate.param.as_ref().map(|param| format(param) + ", ").unwrap_or_default();
            format!("{}({param}{})", aggregation(aggregate), format(&aggregate.expr))
        }
        ExprKind::Call { function, args } => {
            let args: Vec<String> = args.iter().map(format).collect();
            format!("{function}({})", args.join(", "))
        }
    }
}

/// Name and matchers, these in the order of their texts, without `@` and offset.
fn selector(selector: &VectorSelector) -> String {
    let name = selector.name.as_deref().unwrap_or_default();
    let is_name = |matcher: &&Matcher| {
        matcher.name() == METRIC_NAME
            && matcher.op() == MatchOp::Equal
            && matcher.value() == name
            && !name.is_empty()
    };
    let matchers = selector.matchers.iter().filter(|matcher| !is_name(matcher));
    let mut texts: Vec<String> = matchers.map(matcher).collect();
    if texts.is_empty() {
        return if name.is_empty() { "{}".to_owned() } else { name.to_owned() };
    }
    texts.sort_unstable();
    format!("{name}{{{}}}", texts.join(","))
}

fn matcher(matcher: &Matcher) -> String {
    format!("{}{}{}", label_name(matcher.name()), matcher.op().as_str(), quoted(matcher.value()))
}

/// The operator with everything that stands between it and the right side.
pub(super) fn operator(binary: &Binary) -> String {
    let bool = if binary.return_bool { " bool" } else { "" };
    let matching = binary.matching.as_ref().map(matching).unwrap_or_default();
    format!("{}{bool}{matching}", binary.op.as_str())
}

fn matching(matching: &Matching) -> String {
    let group = match matching.cardinality {
        Cardinality::ManyToOne => Some("left"),
        Cardinality::OneToMany => Some("right"),
        Cardinality::OneToOne | Cardinality::ManyToMany => None,
    };
    let mut out = String::new();
    if matching.on || !matching.labels.is_empty() || group.is_some() {
        let word = if matching.on { "on" } else { "ignoring" };
        out += &format!(" {word} ({})", names(&matching.labels));
    }
    if let Some(side) = group {
        out += &format!(" group_{side} ({})", names(&matching.include));
    }
    out += &fills(matching.fill);
    out
}

fn fills(fill: Fill) -> String {
    match (fill.left, fill.right) {
        (Some(left), Some(right)) if left == right => format!(" fill ({})", general(left)),
        (left, right) => {
            let left = left.map(|value| format!(" fill_left ({})", general(value)));
            let right = right.map(|value| format!(" fill_right ({})", general(value)));
            left.unwrap_or_default() + &right.unwrap_or_default()
        }
    }
}

/// The operator with `by` or `without`.
pub(super) fn aggregation(aggregate: &Aggregate) -> String {
    let op = aggregate.op.as_str();
    let labels = names(&aggregate.grouping);
    if aggregate.without {
        format!("{op} without ({labels}) ")
    } else if aggregate.grouping.is_empty() {
        op.to_owned()
    } else {
        format!("{op} by ({labels}) ")
    }
}

fn names(labels: &[String]) -> String {
    let names: Vec<String> = labels.iter().map(|name| label_name(name)).collect();
    names.join(", ")
}
