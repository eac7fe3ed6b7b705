//! `parse_query`: the syntax tree as Prometheus's UI reads it.

use latewood_model::Matcher;
use latewood_promql::ast::{
    At, DurationExpr, DurationKind, Expr, ExprKind, Extension, Length, Matching, Offset, Shift,
    VectorSelector,
};
use latewood_promql::functions;
use latewood_promql::print::fixed;
use serde_json::{Map, Value, json};

/// The tree of an expression. Recurses, and so does what drops it: see [`latewood_promql::with_room`].
pub(super) fn tree(expr: &Expr) -> Value {
    match &expr.kind {
        ExprKind::Number(literal) => json!({"type": "numberLiteral", "val": fixed(literal.value)}),
        ExprKind::Text(text) => json!({"type": "stringLiteral", "val": text.to_lossy()}),
        ExprKind::Paren(inner) => json!({"type": "parenExpr", "expr": tree(inner)}),
        ExprKind::Unary(op, inner) => {
            json!({"type": "unaryExpr", "op": op.as_str(), "expr": tree(inner)})
        }
        ExprKind::Selector(vector) => selector("vectorSelector", vector).into(),
        ExprKind::Matrix { selector: vector, range } => {
            let mut fields = selector("matrixSelector", vector);
            length("range", Some(range), &mut fields);
            fields.into()
        }
        ExprKind::Subquery(subquery) => {
            let mut fields = shift("subquery", &subquery.shift);
            fields.insert("expr".to_owned(), tree(&subquery.expr));
            length("range", Some(&subquery.range), &mut fields);
            length("step", subquery.step.as_ref(), &mut fields);
            fields.into()
        }
        ExprKind::Binary(binary) => json!({
            "type": "binaryExpr",
            "op": binary.op.as_str(),
            "lhs": tree(&binary.left),
            "rhs": tree(&binary.right),
            "matching": binary.matching.as_ref().map(matching),
            "bool": binary.return_bool,
        }),
        ExprKind::Aggregate(aggregate) => json!({
            "type": "aggregation",
            "op": aggregate.op.as_str(),
            "expr": tree(&aggregate.expr),
            "param": aggregate.param.as_ref().map(tree),
            "grouping": aggregate.grouping,
            "without": aggregate.without,
        }),
        ExprKind::Call { function, args } => call(function, args),
    }
}

fn call(function: &str, args: &[Expr]) -> Value {
    let described = functions::lookup(function).map(|spec| {
        let types: Vec<&str> = spec.args.iter().map(|arg| arg.as_str()).collect();
        json!({
            "name": spec.name,
            "argTypes": types,
            "variadic": spec.variadic,
            "returnType": spec.returns.as_str(),
        })
    });
    let args: Vec<Value> = args.iter().map(tree).collect();
    json!({"type": "call", "func": described, "args": args})
}

fn matching(matching: &Matching) -> Value {
    json!({
        "card": matching.cardinality.as_str(),
        "labels": matching.labels,
        "on": matching.on,
        "include": matching.include,
        "fillValues": {"lhs": matching.fill.left, "rhs": matching.fill.right},
    })
}

fn selector(kind: &str, vector: &VectorSelector) -> Map<String, Value> {
    let mut fields = shift(kind, &vector.shift);
    let matchers: Vec<Value> = vector.matchers.iter().map(matcher).collect();
    let is = |extension| Value::Bool(vector.extension == Some(extension));
    fields.insert("name".to_owned(), vector.name.clone().unwrap_or_default().into());
    fields.insert("matchers".to_owned(), matchers.into());
    fields.insert("anchored".to_owned(), is(Extension::Anchored));
    fields.insert("smoothed".to_owned(), is(Extension::Smoothed));
    fields
}

fn matcher(matcher: &Matcher) -> Value {
    json!({"name": matcher.name(), "value": matcher.value(), "type": matcher.op().as_str()})
}

/// The fields of everything that moves in time.
fn shift(kind: &str, shift: &Shift) -> Map<String, Value> {
    let (offset, expr) = match &shift.offset {
        Offset::Fixed(offset) => (*offset, None),
        Offset::Computed(expr) => (0, Some(duration(expr))),
    };
    let (timestamp, word) = match shift.at {
        None => (None, None),
        Some(At::Time(time)) => (Some(time), None),
        Some(At::Start) => (None, Some("start")),
        Some(At::End) => (None, Some("end")),
    };
    [
        ("type", kind.into()),
        ("offset", offset.into()),
        ("offsetExpr", expr.into()),
        ("timestamp", timestamp.into()),
        ("startOrEnd", word.into()),
    ]
    .into_iter()
    .map(|(name, value): (&str, Value)| (name.to_owned(), value))
    .collect()
}

/// A length in milliseconds, or what it is computed of.
fn length(name: &str, length: Option<&Length>, fields: &mut Map<String, Value>) {
    let (milliseconds, expr) = match length {
        None => (0, None),
        Some(Length::Fixed(length)) => (u64::try_from(length.as_millis()).unwrap_or(u64::MAX), None),
        Some(Length::Computed(expr)) => (0, Some(duration(expr))),
    };
    fields.insert(name.to_owned(), milliseconds.into());
    fields.insert(format!("{name}Expr"), expr.into());
}

fn duration(expr: &DurationExpr) -> Value {
    let (op, left, right) = match &expr.kind {
        DurationKind::Number(literal) => {
            return json!({
                "type": "numberLiteral",
                "val": fixed(literal.value),
                "duration": literal.is_duration,
            });
        }
        DurationKind::Step => ("step", None, None),
        DurationKind::Range => ("range", None, None),
        DurationKind::Unary(op, inner) => (op.as_str(), None, Some(inner)),
        DurationKind::Binary(op, left, right) => (op.as_str(), Some(left), Some(right)),
    };
    json!({
        "type": "durationExpr",
        "op": op,
        "lhs": left.map(|side| duration(side)),
        "rhs": right.map(|side| duration(side)),
        "wrapped": expr.wrapped,
    })
}
