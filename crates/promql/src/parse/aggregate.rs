//! Aggregations, and the lists of labels that they and operators have.

use super::ParseError;
use super::parser::{Parser, Tree};
use super::string;
use super::token::{Keyword, Token, TokenKind};
use crate::ast::{Aggregate, AggregateOp, Expr, ExprKind};
use crate::print::quoted;

/// `by` or `without` (true), and the labels.
type Grouping = (bool, Vec<String>);

impl Parser<'_> {
    /// The rest of an aggregation whose operator was read last.
    pub(super) fn aggregate(&mut self, name: Token, op: AggregateOp) -> Result<Tree, ParseError> {
        self.within("aggregation", "", |parser| {
            let before = parser.grouping()?;
            let (args, height, close) = parser.arguments()?;
            let (grouping, last) = match before {
                Some((grouping, _)) => (grouping, close),
                None => parser.grouping()?.unwrap_or_else(|| (Grouping::default(), close)),
            };
            let span = parser.span_between(name, last);
            let (param, expr) = parser.aggregated(op, args, span)?;
            let (without, grouping) = grouping;
            let aggregate = Aggregate { op, param, expr, without, grouping };
            parser.tree(height, ExprKind::Aggregate(Box::new(aggregate)), span)
        })
    }

    /// The parameter and the vector, as many as the operator takes.
    fn aggregated(
        &self,
        op: AggregateOp,
        args: Vec<Expr>,
        span: crate::ast::Span,
    ) -> Result<(Option<Expr>, Expr), ParseError> {
        if args.is_empty() {
            return self.error(span, "no arguments for aggregate expression provided");
        }
        if op.is_experimental() && !self.features.promql_experimental_functions {
            return self.error(
                span,
                format!(
                    "{}() is experimental and must be enabled with --enable-feature=promql-experimental-functions",
                    op.as_str()
                ),
            );
        }
        let (wanted, given) = (1 + usize::from(op.param_type().is_some()), args.len());
        let mut args = args.into_iter();
        let parts = match (op.param_type(), args.next(), args.next(), args.next()) {
            (None, Some(expr), None, None) => Some((None, expr)),
            (Some(_), Some(param), Some(expr), None) => Some((Some(param), expr)),
            _ => None,
        };
        match parts {
            Some(parts) => Ok(parts),
            None => self.error(
                span,
                format!(
                    "wrong number of arguments for aggregate expression provided, expected {wanted}, got {given}"
                ),
            ),
        }
    }

    /// `by (…)` or `without (…)`, with its last token, if there is one.
    fn grouping(&mut self) -> Result<Option<(Grouping, Token)>, ParseError> {
        let without = match self.peek()?.kind {
            TokenKind::Keyword(Keyword::By) => false,
            TokenKind::Keyword(Keyword::Without) => true,
            _ => return Ok(None),
        };
        self.bump()?;
        let (labels, close) = self.label_names()?;
        Ok(Some(((without, labels), close)))
    }

    /// `(a, "b c", )` and its closing token.
    pub(super) fn label_names(&mut self) -> Result<(Vec<String>, Token), ParseError> {
        const PLACE: &str = "grouping opts";
        if self.accept(TokenKind::LeftParen)?.is_none() {
            return self.unexpected_in(PLACE, "\"(\"");
        }
        let mut names = Vec::new();
        loop {
            if let Some(close) = self.accept(TokenKind::RightParen)? {
                return Ok((names, close));
            }
            let token = self.peek()?;
            if token.kind != TokenKind::String && !token.kind.is_label_name() {
                return self.unexpected_in(PLACE, "label");
            }
            self.bump()?;
            names.push(self.label_name(token)?);
            if let Some(close) = self.accept(TokenKind::RightParen)? {
                return Ok((names, close));
            }
            if self.accept(TokenKind::Comma)?.is_none() {
                return self.unexpected_in(PLACE, "\",\" or \")\"");
            }
        }
    }

    fn label_name(&self, token: Token) -> Result<String, ParseError> {
        let text = self.token_text(token);
        let name =
            if token.kind == TokenKind::String { string::unquote(text).to_lossy() } else { text.to_owned() };
        if name.is_empty() {
            let message = format!("invalid label name for grouping: {}", quoted(&name));
            return self.error(self.span(token), message);
        }
        Ok(name)
    }
}
