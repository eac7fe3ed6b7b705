//! Expressions over several lines: whatever is longer than a line is broken at its parts, these indented.

use crate::ast::{Expr, ExprKind};
use crate::print::{expr, format, suffix};

/// The longest line that is not broken, in bytes as upstream counts.
const LINE: usize = 100;

/// The expression as `format_query` shows it.
#[must_use]
pub fn pretty(expr: &Expr) -> String {
    at(expr, 0)
}

/// With the indentation of a level, which is 2 spaces each.
fn at(expr: &Expr, level: usize) -> String {
    let indent = "  ".repeat(level);
    let line = format(expr);
    match &expr.kind {
        ExprKind::Number(_) | ExprKind::Text(_) | ExprKind::Selector(_) | ExprKind::Matrix { .. } => {
            indent + &line
        }
        // Upstream does not indent it, nor look at its length.
        ExprKind::Unary(op, inner) => format!("{indent}{}{}", op.as_str(), at(inner, level).trim()),
        ExprKind::Subquery(_) if line.len() <= LINE => line,
        _ if line.len() <= LINE => indent + &line,
        _ => broken(expr, level, &indent),
    }
}

fn broken(expr: &Expr, level: usize, indent: &str) -> String {
    match &expr.kind {
        ExprKind::Subquery(subquery) => at(&subquery.expr, level) + &suffix::subquery(subquery),
        ExprKind::Paren(inner) => format!("{indent}(\n{}\n{indent})", at(inner, level + 1)),
        ExprKind::Binary(binary) => {
            let (left, right) = (at(&binary.left, level + 1), at(&binary.right, level + 1));
            format!("{left}\n{indent}{}\n{right}", expr::operator(binary))
        }
        ExprKind::Aggregate(aggregate) => {
            let param =
                aggregate.param.as_ref().map(|param| at(param, level + 1) + ",\n").unwrap_or_default();
            let inner = at(&aggregate.expr, level + 1);
            format!("{indent}{}(\n{param}{inner}\n{indent})", expr::aggregation(aggregate))
        }
        ExprKind::Call { function, args } => {
            let args: Vec<String> = args.iter().map(|arg| at(arg, level + 1)).collect();
            format!("{indent}{function}(\n{}\n{indent})", args.join(",\n"))
        }
        _ => at(expr, level),
    }
}
