//! What moves a selector or subquery in time or changes its bounds: `offset`, `@`, `anchored`, `smoothed`.

use super::ParseError;
use super::parser::{Parser, Tree};
use super::token::{Keyword, TimeWord, Token, TokenKind};
use crate::ast::{At, DurationKind, Expr, ExprKind, Extension, Offset, Shift};

const SHIFTABLE: &str =
    "must be preceded by an instant vector selector or range vector selector or a subquery";
const NANOSECONDS_IN_A_MILLISECOND: i64 = 1_000_000;

/// How a selector or subquery moves in time.
fn shift_of(expr: &mut Expr) -> Option<&mut Shift> {
    match &mut expr.kind {
        ExprKind::Selector(selector) | ExprKind::Matrix { selector, .. } => Some(&mut selector.shift),
        ExprKind::Subquery(subquery) => Some(&mut subquery.shift),
        _ => None,
    }
}

impl Parser<'_> {
    /// `offset 5m` behind an expression.
    pub(super) fn offset(&mut self, mut tree: Tree) -> Result<Tree, ParseError> {
        self.bump()?;
        let expected = "number, duration, step(), or range()";
        let offset = self.within("offset", expected, Self::offset_duration)?;
        let span = tree.expr.span;
        let Some(shift) = shift_of(&mut tree.expr) else {
            return self.error(span, format!("offset modifier {SHIFTABLE}"));
        };
        if shift.offset != Offset::default() {
            return self.error(span, "offset may not be set multiple times");
        }
        tree.expr.span = span.to(offset.span);
        let offset = match offset.kind {
            DurationKind::Number(literal) => Offset::Fixed(milliseconds(literal.value)),
            _ => Offset::Computed(Box::new(offset)),
        };
        if let Some(shift) = shift_of(&mut tree.expr) {
            shift.offset = offset;
        }
        Ok(tree)
    }

    /// `@ 5`, `@ start()` behind an expression.
    pub(super) fn at(&mut self, mut tree: Tree) -> Result<Tree, ParseError> {
        self.bump()?;
        let (at, last) = self.within("@", "timestamp", |parser| {
            let word = match parser.peek()?.kind {
                TokenKind::Time(TimeWord::Start) => At::Start,
                TokenKind::Time(TimeWord::End) => At::End,
                _ => {
                    let seconds = parser.signed_number()?;
                    return Ok((Err(seconds), None));
                }
            };
            parser.bump()?;
            parser.expect(TokenKind::LeftParen)?;
            parser.expect(TokenKind::RightParen).map(|close| (Ok(word), Some(close)))
        })?;
        let span = tree.expr.span;
        let at = match at {
            Ok(at) => at,
            Err(seconds) => self.timestamp(seconds, span)?,
        };
        let end = last.map_or(span, |last| span.to(self.span(last)));
        let Some(shift) = shift_of(&mut tree.expr) else {
            return self.error(span, format!("@ modifier {SHIFTABLE}"));
        };
        if shift.at.is_some() {
            return self.error(span, "@ <timestamp> may not be set multiple times");
        }
        shift.at = Some(at);
        tree.expr.span = end;
        Ok(tree)
    }

    #[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss)] // as upstream
    fn timestamp(&self, seconds: f64, span: crate::ast::Span) -> Result<At, ParseError> {
        if seconds.is_finite() && seconds < i64::MAX as f64 && seconds > i64::MIN as f64 {
            return Ok(At::Time((seconds * 1000.0).round() as i64));
        }
        let shown = if seconds.is_finite() { format!("{seconds:.6}") } else { crate::print::fixed(seconds) };
        self.error(span, format!("timestamp out of bounds for @ modifier: {shown}"))
    }

    /// `anchored` or `smoothed` behind an expression.
    pub(super) fn extension(&mut self, mut tree: Tree, token: Token) -> Result<Tree, ParseError> {
        self.bump()?;
        let extension = match token.kind {
            TokenKind::Keyword(Keyword::Anchored) => Extension::Anchored,
            _ => Extension::Smoothed,
        };
        let (span, name) = (tree.expr.span, extension.as_str());
        if !self.features.promql_extended_range_selectors {
            return self.error(span, format!("{name} modifier is experimental and not enabled"));
        }
        match &mut tree.expr.kind {
            ExprKind::Selector(selector) | ExprKind::Matrix { selector, .. } => {
                if selector.extension.is_some_and(|present| present != extension) {
                    return self.error(span, "anchored and smoothed modifiers cannot be used together");
                }
                selector.extension = Some(extension);
                Ok(tree)
            }
            ExprKind::Subquery(_) => {
                self.error(span, format!("{name} modifier is not supported for subqueries"))
            }
            _ => self.error(span, format!("{name} modifier not implemented")),
        }
    }
}

/// Whole milliseconds; the seconds have been found in range.
#[allow(clippy::cast_possible_truncation)]
fn milliseconds(seconds: f64) -> i64 {
    (seconds * 1e9).round() as i64 / NANOSECONDS_IN_A_MILLISECOND
}
