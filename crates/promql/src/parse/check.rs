//! What the grammar does not say: types and numbers of arguments. Runs once the whole text is known to follow the
//! grammar, children first, and stops at the first error.

use latewood_model::METRIC_NAME;

use crate::ast::{Aggregate, Binary, Cardinality, Expr, ExprKind, Matching, Span, ValueType, VectorSelector};
use crate::functions::{self, FunctionSpec};
use crate::parse::ParseError;
use crate::print::quoted;

/// Checks a tree, and takes away what it says about matching where there is nothing to match.
pub(super) fn check(expr: &mut Expr, text: &str) -> Result<(), ParseError> {
    Checker { text }.check(expr)
}

struct Checker<'a> {
    text: &'a str,
}

impl Checker<'_> {
    fn fail<T>(&self, span: Span, message: impl Into<String>) -> Result<T, ParseError> {
        Err(ParseError::at(self.text, span.start as usize, message))
    }

    fn check(&self, expr: &mut Expr) -> Result<(), ParseError> {
        let span = expr.span;
        match &mut expr.kind {
            ExprKind::Number(_) | ExprKind::Text(_) => Ok(()),
            ExprKind::Selector(vector) | ExprKind::Matrix { selector: vector, .. } => {
                self.selector(vector, span)
            }
            ExprKind::Paren(inner) => self.check(inner),
            ExprKind::Unary(_, inner) => {
                self.check(inner)?;
                self.unary(inner, span)
            }
            ExprKind::Subquery(subquery) => {
                self.check(&mut subquery.expr)?;
                match subquery.expr.value_type() {
                    ValueType::Vector => Ok(()),
                    other => {
                        let found = other.as_str();
                        let message =
                            format!("subquery is only allowed on instant vector, got {found} instead");
                        self.fail(span, message)
                    }
                }
            }
            ExprKind::Binary(binary) => self.binary(binary, span),
            ExprKind::Aggregate(aggregate) => self.aggregate(aggregate),
            ExprKind::Call { function, args } => self.call(function, args, span),
        }
    }

    fn expect(&self, expr: &mut Expr, wanted: ValueType, context: &str) -> Result<(), ParseError> {
        self.check(expr)?;
        let seen = expr.value_type();
        if seen == wanted {
            return Ok(());
        }
        let (wanted, seen) = (wanted.documented(), seen.documented());
        self.fail(expr.span, format!("expected type {wanted} in {context}, got {seen}"))
    }

    /// A query of everything is taken for a slip.
    fn selector(&self, selector: &VectorSelector, span: Span) -> Result<(), ParseError> {
        if let Some(name) = &selector.name {
            let (_, others) = selector.matchers.split_last().unzip();
            let twice = others.unwrap_or_default().iter().find(|matcher| matcher.name() == METRIC_NAME);
            let Some(twice) = twice else { return Ok(()) };
            let (name, other) = (quoted(name), quoted(twice.value()));
            return self.fail(span, format!("metric name must not be set twice: {name} or {other}"));
        }
        if selector.matchers.iter().any(|matcher| !matcher.matches_empty()) {
            return Ok(());
        }
        self.fail(span, "vector selector must contain at least one non-empty matcher")
    }

    fn unary(&self, inner: &Expr, span: Span) -> Result<(), ParseError> {
        match inner.value_type() {
            ValueType::Scalar | ValueType::Vector => Ok(()),
            other => {
                let found = other.documented();
                let message = format!(
                    "unary expression only allowed on expressions of type scalar or instant vector, got \"{found}\""
                );
                self.fail(span, message)
            }
        }
    }

    fn binary(&self, binary: &mut Binary, span: Span) -> Result<(), ParseError> {
        self.check(&mut binary.left)?;
        self.check(&mut binary.right)?;
        let types = [binary.left.value_type(), binary.right.value_type()];
        let op = binary.op;
        if binary.return_bool && !op.is_comparison() {
            return self.fail_at_operator(binary, "bool modifier can only be used on comparison operators");
        }
        if op.is_comparison() && !binary.return_bool && types == [ValueType::Scalar; 2] {
            return self.fail_at_operator(binary, "comparisons between scalars must use BOOL modifier");
        }
        let matching = binary.matching.clone().unwrap_or_default();
        if let Some(label) = matching.labels.iter().find(|label| matching.include.contains(label))
            && matching.on
        {
            let label = quoted(label);
            let message = format!("label {label} must not occur in ON and GROUP clause at once");
            return self.fail_at_operator(binary, &message);
        }
        for (side, found) in [&binary.left, &binary.right].into_iter().zip(types) {
            if !matches!(found, ValueType::Scalar | ValueType::Vector) {
                let message = "binary expression must contain only scalar and instant vector types";
                return self.fail(side.span, message);
            }
        }
        if types == [ValueType::Vector; 2] {
            binary.matching = Some(self.between_vectors(binary, matching, span)?);
            return Ok(());
        }
        if !matching.labels.is_empty() {
            return self.fail(span, "vector matching only allowed between instant vectors");
        }
        if matching.fill.is_some() {
            return self.fail(span, "filling in missing series only allowed between instant vectors");
        }
        if op.is_set() {
            let op = quoted(op.as_str());
            return self.fail(span, format!("set operator {op} not allowed in binary scalar expression"));
        }
        binary.matching = None;
        Ok(())
    }

    fn between_vectors(
        &self,
        binary: &Binary,
        mut matching: Matching,
        span: Span,
    ) -> Result<Matching, ParseError> {
        if !binary.op.is_set() {
            return Ok(matching);
        }
        if matching.cardinality != Cardinality::OneToOne {
            let op = quoted(binary.op.as_str());
            return self.fail(span, format!("no grouping allowed for {op} operation"));
        }
        if matching.fill.is_some() {
            return self.fail(span, "filling in missing series not allowed for set operators");
        }
        matching.cardinality = Cardinality::ManyToMany;
        Ok(matching)
    }

    /// Fails at the operator: the first thing behind the left side.
    fn fail_at_operator(&self, binary: &Binary, message: &str) -> Result<(), ParseError> {
        let behind = self.text.get(binary.left.span.end as usize..).unwrap_or_default();
        let operator = behind.trim_start_matches([' ', '\t', '\n', '\r']);
        Err(ParseError::at(self.text, self.text.len() - operator.len(), message))
    }

    fn aggregate(&self, tree: &mut Aggregate) -> Result<(), ParseError> {
        self.expect(&mut tree.expr, ValueType::Vector, "aggregation expression")?;
        match (tree.op.param_type(), &mut tree.param) {
            (Some(wanted), Some(param)) => self.expect(param, wanted, "aggregation parameter"),
            _ => Ok(()),
        }
    }

    fn call(&self, name: &str, args: &mut [Expr], span: Span) -> Result<(), ParseError> {
        let Some(spec) = functions::lookup(name) else {
            return self.fail(span, format!("unknown function with name {}", quoted(name)));
        };
        self.arity(spec, args.len(), span)?;
        let context = format!("call to function {}", quoted(name));
        let last = spec.args.last().unwrap_or(&ValueType::Scalar);
        let wanted = spec.args.iter().chain(std::iter::repeat(last));
        for (index, (arg, wanted)) in args.iter_mut().zip(wanted).enumerate() {
            if name == "info" && index == 1 {
                self.info_labels(arg, span, &context)?;
            } else {
                self.expect(arg, *wanted, &context)?;
            }
        }
        Ok(())
    }

    /// The second argument of `info`: matchers alone, which may match everything.
    fn info_labels(&self, arg: &Expr, call: Span, context: &str) -> Result<(), ParseError> {
        let found = arg.value_type();
        if found != ValueType::Vector {
            let (wanted, found) = (ValueType::Vector.documented(), found.documented());
            return self.fail(call, format!("expected type {wanted} in {context}, got {found}"));
        }
        match &arg.kind {
            ExprKind::Selector(selector) if selector.name.is_none() => Ok(()),
            ExprKind::Selector(_) => {
                self.fail(arg.span, "expected label selectors only, got vector selector instead")
            }
            _ => self.fail(arg.span, "expected label selectors only"),
        }
    }

    fn arity(&self, spec: &FunctionSpec, given: usize, span: Span) -> Result<(), ParseError> {
        let (count, name) = (spec.args.len(), quoted(spec.name));
        let least = count.saturating_sub(usize::from(spec.variadic != 0));
        let most = usize::try_from(spec.variadic).ok().map(|more| least + more);
        let expected = match most {
            _ if spec.variadic == 0 && given != count => format!("{count}"),
            _ if given < least => format!("at least {least}"),
            Some(most) if spec.variadic > 0 && given > most => format!("at most {most}"),
            _ => return Ok(()),
        };
        self.fail(span, format!("expected {expected} argument(s) in call to {name}, got {given}"))
    }
}
