//! Ranges and subqueries.

use std::time::Duration;

use super::ParseError;
use super::parser::{Parser, Tree};
use super::token::TokenKind;
use crate::ast::{DurationKind, ExprKind, Length, Offset, Shift, Span, Subquery};

const NANOSECONDS_IN_A_MILLISECOND: u64 = 1_000_000;

impl Parser<'_> {
    /// What an opening bracket makes of an expression.
    pub(super) fn brackets(&mut self, tree: Tree) -> Result<Tree, ParseError> {
        const LENGTH: &str = "number, duration, step(), or range()";
        let open = self.bump()?;
        let range = self.within("subquery or range selector", LENGTH, Self::length)?;
        if let Some(close) = self.accept(TokenKind::RightBracket)? {
            return self.range(tree, range, self.span_between(open, close));
        }
        if self.accept(TokenKind::Colon)?.is_none() {
            return self.unexpected_in("subquery or range", "\":\" or \"]\"");
        }
        let expected = "number, duration, step(), range(), or \"]\"";
        let step = self.within("subquery selector", expected, |parser| {
            if parser.is_next(TokenKind::RightBracket)? { Ok(None) } else { parser.length().map(Some) }
        })?;
        let Some(close) = self.accept(TokenKind::RightBracket)? else {
            return self.unexpected_in("subquery selector", "\"]\"");
        };
        let span = tree.expr.span.to(self.span(close));
        let subquery = Subquery { expr: tree.expr, range, step, shift: Shift::default() };
        self.tree(tree.height, ExprKind::Subquery(Box::new(subquery)), span)
    }

    /// A selector with a range.
    fn range(&self, tree: Tree, range: Length, brackets: Span) -> Result<Tree, ParseError> {
        let span = tree.expr.span.to(brackets);
        let ExprKind::Selector(selector) = tree.expr.kind else {
            return self.error(brackets, "ranges only allowed for vector selectors");
        };
        if selector.shift.offset != Offset::default() {
            return self.error(brackets, "no offset modifiers allowed before range");
        }
        if selector.shift.at.is_some() {
            return self.error(brackets, "no @ modifiers allowed before range");
        }
        self.tree(tree.height, ExprKind::Matrix { selector, range }, span)
    }

    /// A duration expression; a plain number must be positive.
    fn length(&mut self) -> Result<Length, ParseError> {
        let expr = self.duration(0)?;
        match &expr.kind {
            DurationKind::Number(literal) => match milliseconds(literal.value) {
                Some(length) => Ok(Length::Fixed(length)),
                None => self.error(expr.span, "duration must be greater than 0"),
            },
            _ => Ok(Length::Computed(Box::new(expr))),
        }
    }
}

/// Whole milliseconds, at least one.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // in range by then
fn milliseconds(seconds: f64) -> Option<Duration> {
    let nanoseconds = (seconds * 1e9).round().max(0.0) as u64;
    let milliseconds = nanoseconds / NANOSECONDS_IN_A_MILLISECOND;
    (milliseconds > 0).then(|| Duration::from_millis(milliseconds))
}
