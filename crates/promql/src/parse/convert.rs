//! promql-parser's tree as ours, placeholders filled in.

use std::time::{Duration, SystemTime};

use latewood_model::{METRIC_NAME, MatchOp, Matcher, TimestampMs};
use promql_parser::label;
use promql_parser::parser::{
    AggregateExpr, AtModifier, BinModifier, BinaryExpr, Call, Expr as Tree, LabelModifier, MatrixSelector,
    Offset, SubqueryExpr, VectorMatchCardinality, VectorSelector as Selector, token,
};

use crate::ast::{
    Aggregate, AggregateOp, At, Binary, BinaryOp, Cardinality, Expr, ExprKind, Matching, Shift, Span,
    Subquery, ValueType, VectorSelector,
};
use crate::parse::ParseError;
use crate::parse::lex::Words;

/// The longest duration in a query, in seconds: what fits Go's `time.Duration`.
const MAX_DURATION: f64 = 9.2e9;

/// The tree as ours. Places are not known.
pub(super) fn convert(tree: &Tree, words: &Words) -> Result<Expr, ParseError> {
    Ok(Expr { kind: kind(tree, words)?, span: Span::default() })
}

/// Only calls, so that a level of nesting takes little of the stack.
fn kind(tree: &Tree, words: &Words) -> Result<ExprKind, ParseError> {
    match tree {
        Tree::NumberLiteral(literal) => number(literal.val, words).map(ExprKind::Number),
        Tree::StringLiteral(literal) => Ok(ExprKind::Text(words.name(&literal.val))),
        Tree::Paren(paren) => boxed(&paren.expr, words).map(ExprKind::Paren),
        Tree::Unary(unary) => boxed(&unary.expr, words).map(ExprKind::Negate),
        Tree::VectorSelector(tree) => selector(tree, words).map(ExprKind::Selector),
        Tree::MatrixSelector(tree) => matrix(tree, words),
        Tree::Subquery(tree) => subquery(tree, words).map(ExprKind::Subquery),
        Tree::Binary(tree) => binary(tree, words).map(ExprKind::Binary),
        Tree::Aggregate(tree) => aggregate(tree, words).map(ExprKind::Aggregate),
        Tree::Call(tree) => call(tree, words),
        Tree::Extension(_) => Err(ParseError::new("extensions are not supported")),
    }
}

fn boxed(tree: &Tree, words: &Words) -> Result<Box<Expr>, ParseError> {
    convert(tree, words).map(Box::new)
}

fn call(tree: &Call, words: &Words) -> Result<ExprKind, ParseError> {
    let mut args = Vec::with_capacity(tree.args.args.len());
    for arg in &tree.args.args {
        args.push(convert(arg, words)?);
    }
    Ok(ExprKind::Call { function: tree.func.name.to_owned(), args })
}

fn matrix(tree: &MatrixSelector, words: &Words) -> Result<ExprKind, ParseError> {
    Ok(ExprKind::Matrix { selector: selector(&tree.vs, words)?, range: positive(tree.range, words)? })
}

fn number(placeholder: f64, words: &Words) -> Result<f64, ParseError> {
    words.number(placeholder).ok_or_else(|| ParseError::new("error parsing number"))
}

/// A duration in seconds; promql-parser took the placeholder's index for as many seconds.
fn seconds(placeholder: Duration, words: &Words) -> Result<f64, ParseError> {
    let value = number(placeholder.as_secs_f64(), words)?;
    if value.abs() <= MAX_DURATION { Ok(value) } else { Err(ParseError::new("duration out of range")) }
}

/// The length of a range or a step, at least a millisecond.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // checked by then
fn positive(placeholder: Duration, words: &Words) -> Result<Duration, ParseError> {
    let milliseconds = (seconds(placeholder, words)? * 1000.0).round();
    if milliseconds >= 1.0 {
        Ok(Duration::from_millis(milliseconds as u64))
    } else {
        Err(ParseError::new("duration must be greater than 0"))
    }
}

#[allow(clippy::cast_possible_truncation)] // checked by then
fn shift(offset: Option<&Offset>, at: Option<&AtModifier>, words: &Words) -> Result<Shift, ParseError> {
    let offset = match offset {
        None => 0.0,
        Some(Offset::Pos(length)) => seconds(*length, words)?,
        Some(Offset::Neg(length)) => -seconds(*length, words)?,
    };
    let at = match at {
        None => None,
        Some(AtModifier::Start) => Some(At::Start),
        Some(AtModifier::End) => Some(At::End),
        Some(AtModifier::At(time)) => Some(At::Time(timestamp(*time, words)?)),
    };
    Ok(Shift { offset_ms: (offset * 1000.0).round() as i64, at })
}

/// The time of an `@`; promql-parser took the placeholder's index for seconds since the epoch.
#[allow(clippy::cast_possible_truncation)] // checked by then
fn timestamp(time: SystemTime, words: &Words) -> Result<TimestampMs, ParseError> {
    let value = match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(after) => number(after.as_secs_f64(), words)?,
        Err(before) => -number(before.duration().as_secs_f64(), words)?,
    };
    let milliseconds = (value * 1000.0).round();
    // Not `abs() >=`: NaN is out of bounds too.
    if milliseconds.abs() < 9.2e18 {
        Ok(milliseconds as TimestampMs)
    } else {
        Err(ParseError::new(format!(
            "timestamp out of bounds for @ modifier: {}",
            crate::print::fixed(value)
        )))
    }
}

fn selector(tree: &Selector, words: &Words) -> Result<VectorSelector, ParseError> {
    if !tree.matchers.or_matchers.is_empty() {
        return Err(ParseError::new(
            "unexpected identifier \"or\" in label matching, expected \",\" or \"}\"",
        ));
    }
    let matchers = tree.matchers.matchers.iter().map(|tree| matcher(tree, words));
    let mut matchers = matchers.collect::<Result<Vec<Matcher>, ParseError>>()?;
    if let Some(name) = &tree.name {
        matchers.push(new_matcher(MatchOp::Equal, METRIC_NAME, name)?);
    }
    Ok(VectorSelector {
        name: tree.name.clone(),
        matchers,
        shift: shift(tree.offset.as_ref(), tree.at.as_ref(), words)?,
    })
}

fn matcher(tree: &label::Matcher, words: &Words) -> Result<Matcher, ParseError> {
    let op = match tree.op {
        label::MatchOp::Equal => MatchOp::Equal,
        label::MatchOp::NotEqual => MatchOp::NotEqual,
        label::MatchOp::Re(_) => MatchOp::Regex,
        label::MatchOp::NotRe(_) => MatchOp::NotRegex,
    };
    new_matcher(op, &words.name(&tree.name), &words.name(&tree.value))
}

fn new_matcher(op: MatchOp, name: &str, value: &str) -> Result<Matcher, ParseError> {
    Matcher::new(op, name, value).map_err(|error| ParseError::new(error.to_string()))
}

fn subquery(tree: &SubqueryExpr, words: &Words) -> Result<Box<Subquery>, ParseError> {
    Ok(Box::new(Subquery {
        expr: convert(&tree.expr, words)?,
        range: positive(tree.range, words)?,
        step: tree.step.map(|step| positive(step, words)).transpose()?,
        shift: shift(tree.offset.as_ref(), tree.at.as_ref(), words)?,
    }))
}

fn binary(tree: &BinaryExpr, words: &Words) -> Result<Box<Binary>, ParseError> {
    let op = binary_op(tree)?;
    let (left, right) = (convert(&tree.lhs, words)?, convert(&tree.rhs, words)?);
    let between_vectors = [&left, &right].iter().all(|side| side.value_type() == ValueType::Vector);
    let matching = matching(op, tree.modifier.as_ref(), words)?;
    Ok(Box::new(Binary {
        op,
        return_bool: tree.modifier.as_ref().is_some_and(|modifier| modifier.return_bool),
        matching: between_vectors.then_some(matching),
        left,
        right,
    }))
}

fn binary_op(tree: &BinaryExpr) -> Result<BinaryOp, ParseError> {
    Ok(match tree.op.id() {
        token::T_ADD => BinaryOp::Add,
        token::T_SUB => BinaryOp::Sub,
        token::T_MUL => BinaryOp::Mul,
        token::T_DIV => BinaryOp::Div,
        token::T_MOD => BinaryOp::Mod,
        token::T_POW => BinaryOp::Pow,
        token::T_ATAN2 => BinaryOp::Atan2,
        token::T_EQLC => BinaryOp::Equal,
        token::T_NEQ => BinaryOp::NotEqual,
        token::T_GTR => BinaryOp::Greater,
        token::T_LSS => BinaryOp::Less,
        token::T_GTE => BinaryOp::GreaterOrEqual,
        token::T_LTE => BinaryOp::LessOrEqual,
        token::T_LAND => BinaryOp::And,
        token::T_LOR => BinaryOp::Or,
        token::T_LUNLESS => BinaryOp::Unless,
        _ => {
            return Err(ParseError::new(format!(
                "binary expression does not support operator \"{}\"",
                tree.op
            )));
        }
    })
}

fn matching(op: BinaryOp, tree: Option<&BinModifier>, words: &Words) -> Result<Matching, ParseError> {
    let mut matching = Matching::default();
    if let Some(tree) = tree {
        if tree.fill_values.lhs.is_some() || tree.fill_values.rhs.is_some() {
            return Err(ParseError::new("the experimental fill modifiers are not supported"));
        }
        (matching.on, matching.labels) = labels(tree.matching.as_ref(), words);
        (matching.cardinality, matching.include) = match &tree.card {
            VectorMatchCardinality::OneToOne => (Cardinality::OneToOne, Vec::new()),
            VectorMatchCardinality::ManyToOne(labels) => (Cardinality::ManyToOne, names(labels, words)),
            VectorMatchCardinality::OneToMany(labels) => (Cardinality::OneToMany, names(labels, words)),
            VectorMatchCardinality::ManyToMany => (Cardinality::ManyToMany, Vec::new()),
        };
    }
    if op.is_set() && matching.cardinality == Cardinality::OneToOne {
        matching.cardinality = Cardinality::ManyToMany;
    }
    Ok(matching)
}

/// Whether the labels are the ones to look at, and the labels.
fn labels(tree: Option<&LabelModifier>, words: &Words) -> (bool, Vec<String>) {
    match tree {
        None => (false, Vec::new()),
        Some(LabelModifier::Include(labels)) => (true, names(labels, words)),
        Some(LabelModifier::Exclude(labels)) => (false, names(labels, words)),
    }
}

fn names(labels: &label::Labels, words: &Words) -> Vec<String> {
    labels.labels.iter().map(|name| words.name(name)).collect()
}

fn aggregate(tree: &AggregateExpr, words: &Words) -> Result<Box<Aggregate>, ParseError> {
    let (_, grouping) = labels(tree.modifier.as_ref(), words);
    let param = match &tree.param {
        Some(param) => Some(convert(param, words)?),
        None => None,
    };
    Ok(Box::new(Aggregate {
        op: aggregate_op(tree)?,
        param,
        expr: convert(&tree.expr, words)?,
        without: matches!(tree.modifier, Some(LabelModifier::Exclude(_))),
        grouping,
    }))
}

fn aggregate_op(tree: &AggregateExpr) -> Result<AggregateOp, ParseError> {
    Ok(match tree.op.id() {
        token::T_SUM => AggregateOp::Sum,
        token::T_AVG => AggregateOp::Avg,
        token::T_COUNT => AggregateOp::Count,
        token::T_MIN => AggregateOp::Min,
        token::T_MAX => AggregateOp::Max,
        token::T_GROUP => AggregateOp::Group,
        token::T_STDDEV => AggregateOp::Stddev,
        token::T_STDVAR => AggregateOp::Stdvar,
        token::T_TOPK => AggregateOp::Topk,
        token::T_BOTTOMK => AggregateOp::Bottomk,
        token::T_COUNT_VALUES => AggregateOp::CountValues,
        token::T_QUANTILE => AggregateOp::Quantile,
        token::T_LIMITK => AggregateOp::Limitk,
        token::T_LIMIT_RATIO => AggregateOp::LimitRatio,
        _ => {
            return Err(ParseError::new(format!("unknown aggregation \"{}\"", tree.op)));
        }
    })
}
