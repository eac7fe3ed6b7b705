//! What the grammar does not say: types, numbers of arguments, features.

use crate::ast::{Aggregate, Binary, Cardinality, Expr, ExprKind, ValueType, VectorSelector};
use crate::functions::{self, FunctionSpec};
use crate::parse::{ParseError, ParseOptions};
use crate::print::quoted;

/// Checks the whole tree, children first.
pub(super) fn check(expr: &Expr, options: &ParseOptions) -> Result<(), ParseError> {
    match &expr.kind {
        ExprKind::Number(_) | ExprKind::Text(_) => Ok(()),
        ExprKind::Selector(vector) | ExprKind::Matrix { selector: vector, .. } => selector(vector),
        ExprKind::Paren(inner) => check(inner, options),
        ExprKind::Negate(inner) => {
            check(inner, options)?;
            negation(inner)
        }
        ExprKind::Subquery(subquery) => {
            check(&subquery.expr, options)?;
            match subquery.expr.value_type() {
                ValueType::Vector => Ok(()),
                other => {
                    fail(format!("subquery is only allowed on instant vector, got {} instead", short(other)))
                }
            }
        }
        ExprKind::Binary(both) => {
            check(&both.left, options)?;
            check(&both.right, options)?;
            binary(both)
        }
        ExprKind::Aggregate(tree) => aggregate(tree, options),
        ExprKind::Call { function, args } => {
            args.iter().try_for_each(|arg| check(arg, options))?;
            call(function, args, options)
        }
    }
}

fn fail<T>(message: impl Into<String>) -> Result<T, ParseError> {
    Err(ParseError::new(message))
}

/// A type as Prometheus's API calls it.
fn short(value_type: ValueType) -> &'static str {
    match value_type {
        ValueType::Scalar => "scalar",
        ValueType::Vector => "vector",
        ValueType::Matrix => "matrix",
        ValueType::String => "string",
    }
}

fn expect(expr: &Expr, wanted: ValueType, context: &str) -> Result<(), ParseError> {
    let seen = expr.value_type();
    if seen == wanted {
        return Ok(());
    }
    fail(format!("expected type {} in {context}, got {}", wanted.documented(), seen.documented()))
}

/// A query of everything is taken for a slip.
fn selector(selector: &VectorSelector) -> Result<(), ParseError> {
    if selector.name.is_some() || selector.matchers.iter().any(|matcher| !matcher.matches_empty()) {
        return Ok(());
    }
    fail("vector selector must contain at least one non-empty matcher")
}

fn negation(inner: &Expr) -> Result<(), ParseError> {
    match inner.value_type() {
        ValueType::Scalar | ValueType::Vector => Ok(()),
        other => fail(format!(
            "unary expression only allowed on expressions of type scalar or instant vector, got \"{}\"",
            other.documented()
        )),
    }
}

fn binary(binary: &Binary) -> Result<(), ParseError> {
    let types = [binary.left.value_type(), binary.right.value_type()];
    if types.iter().any(|seen| !matches!(seen, ValueType::Scalar | ValueType::Vector)) {
        return fail("binary expression must contain only scalar and instant vector types");
    }
    let op = binary.op;
    if binary.return_bool && !op.is_comparison() {
        return fail("bool modifier can only be used on comparison operators");
    }
    if op.is_comparison() && !binary.return_bool && types == [ValueType::Scalar; 2] {
        return fail("comparisons between scalars must use BOOL modifier");
    }
    if op.is_set() && types.contains(&ValueType::Scalar) {
        return fail(format!("set operator {} not allowed in binary scalar expression", quoted(op.as_str())));
    }
    let Some(matching) = &binary.matching else {
        return Ok(());
    };
    if op.is_set() && matching.cardinality != Cardinality::ManyToMany {
        return fail(format!("no grouping allowed for {} operation", quoted(op.as_str())));
    }
    match matching.labels.iter().find(|label| matching.on && matching.include.contains(label)) {
        Some(label) => fail(format!("label {} must not occur in ON and GROUP clause at once", quoted(label))),
        None => Ok(()),
    }
}

fn aggregate(tree: &Aggregate, options: &ParseOptions) -> Result<(), ParseError> {
    let op = tree.op;
    if op.is_experimental() && !options.features.promql_experimental_functions {
        return fail(format!(
            "{}() is experimental and must be enabled with --enable-feature=promql-experimental-functions",
            op.as_str()
        ));
    }
    check(&tree.expr, options)?;
    expect(&tree.expr, ValueType::Vector, "aggregation expression")?;
    match (op.param_type(), &tree.param) {
        (Some(wanted), Some(param)) => {
            check(param, options)?;
            expect(param, wanted, "aggregation parameter")
        }
        (None, None) => Ok(()),
        _ => fail("wrong number of arguments for aggregate expression provided"),
    }
}

fn call(name: &str, args: &[Expr], options: &ParseOptions) -> Result<(), ParseError> {
    let Some(spec) = functions::lookup(name) else {
        return fail(format!("unknown function with name {}", quoted(name)));
    };
    if spec.experimental && !options.features.promql_experimental_functions {
        return fail(format!("function {} is not enabled", quoted(name)));
    }
    arity(spec, args.len())?;
    let context = format!("call to function {}", quoted(name));
    let wanted = spec.args.iter().chain(std::iter::repeat(spec.args.last().unwrap_or(&ValueType::Scalar)));
    args.iter().zip(wanted).try_for_each(|(arg, wanted)| expect(arg, *wanted, &context))
}

fn arity(spec: &FunctionSpec, given: usize) -> Result<(), ParseError> {
    let (count, name) = (spec.args.len(), quoted(spec.name));
    let least = count.saturating_sub(usize::from(spec.variadic != 0));
    let most = usize::try_from(spec.variadic).ok().map(|more| least + more);
    if spec.variadic == 0 && given != count {
        fail(format!("expected {count} argument(s) in call to {name}, got {given}"))
    } else if given < least {
        fail(format!("expected at least {least} argument(s) in call to {name}, got {given}"))
    } else if let Some(most) = most.filter(|most| spec.variadic > 0 && given > *most) {
        fail(format!("expected at most {most} argument(s) in call to {name}, got {given}"))
    } else {
        Ok(())
    }
}
