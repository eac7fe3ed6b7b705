//! Duration expressions: in brackets, and behind `offset`.

use super::ParseError;
use super::expression::{precedence, right_precedence};
use super::parser::Parser;
use super::token::{TimeWord, Token, TokenKind};
use crate::ast::{BinaryOp, DurationExpr, DurationKind, DurationOp, NumberLiteral, Span};

/// The longest duration in seconds, either way: what fits 64 bits of nanoseconds.
pub(crate) const MAX_DURATION_SECONDS: f64 = (1_u64 << 63) as f64 / 1e9;

/// How tightly a sign binds: like `*`.
const SIGN: u8 = 5;

/// The operators that durations are computed with.
fn duration_op(op: BinaryOp) -> Option<DurationOp> {
    Some(match op {
        BinaryOp::Add => DurationOp::Add,
        BinaryOp::Sub => DurationOp::Sub,
        BinaryOp::Mul => DurationOp::Mul,
        BinaryOp::Div => DurationOp::Div,
        BinaryOp::Mod => DurationOp::Mod,
        BinaryOp::Pow => DurationOp::Pow,
        _ => return None,
    })
}

fn is_zero(expr: &DurationExpr) -> bool {
    matches!(expr.kind, DurationKind::Number(literal) if literal.value == 0.0)
}

fn unwrapped(kind: DurationKind, span: Span) -> DurationExpr {
    DurationExpr { kind, wrapped: false, span }
}

impl Parser<'_> {
    /// An expression of operators that bind at least so tightly.
    pub(super) fn duration(&mut self, weakest: u8) -> Result<DurationExpr, ParseError> {
        self.deeper(|parser| {
            let first = parser.duration_operand()?;
            parser.duration_from(first, weakest)
        })
    }

    /// The same, of which the first operand has been read. A chain of operators is a tree as deep as it is long, so
    /// that its length counts as depth.
    fn duration_from(&mut self, first: DurationExpr, weakest: u8) -> Result<DurationExpr, ParseError> {
        let token = self.peek()?;
        let TokenKind::Operator(binary) = token.kind else { return Ok(first) };
        let Some(op) = duration_op(binary).filter(|_| precedence(binary) >= weakest) else {
            return Ok(first);
        };
        self.bump()?;
        self.deeper(|parser| {
            let right = parser.duration(right_precedence(binary))?;
            let by_zero = match op {
                DurationOp::Div => Some("division by zero"),
                DurationOp::Mod => Some("modulo by zero"),
                _ => None,
            };
            if let Some(message) = by_zero.filter(|_| is_zero(&right)) {
                return parser.error(parser.span(token), message);
            }
            let span = first.span.to(right.span);
            let kind = DurationKind::Binary(op, Box::new(first), Box::new(right));
            parser.duration_from(unwrapped(kind, span), weakest)
        })
    }

    fn duration_operand(&mut self) -> Result<DurationExpr, ParseError> {
        let token = self.peek()?;
        match token.kind {
            TokenKind::Operator(BinaryOp::Add | BinaryOp::Sub) => {
                self.bump()?;
                let inner = self.duration(SIGN + 1)?;
                self.signed(token, inner)
            }
            _ => self.duration_primary(token),
        }
    }

    fn duration_primary(&mut self, token: Token) -> Result<DurationExpr, ParseError> {
        match token.kind {
            TokenKind::Number | TokenKind::Duration => {
                let literal = self.number()?;
                self.in_range(literal, self.span(token), self.span(token))
            }
            TokenKind::Time(word @ (TimeWord::Step | TimeWord::Range)) => {
                self.bump()?;
                self.expect(TokenKind::LeftParen)?;
                let close = self.expect(TokenKind::RightParen)?;
                let kind = if word == TimeWord::Step { DurationKind::Step } else { DurationKind::Range };
                Ok(unwrapped(kind, self.span_between(token, close)))
            }
            TokenKind::Time(word @ (TimeWord::MinOf | TimeWord::MaxOf)) => {
                let op = if word == TimeWord::MinOf { DurationOp::MinOf } else { DurationOp::MaxOf };
                self.bump()?;
                self.expect(TokenKind::LeftParen)?;
                let left = self.duration(0)?;
                self.expect(TokenKind::Comma)?;
                let right = self.duration(0)?;
                let close = self.expect(TokenKind::RightParen)?;
                let kind = DurationKind::Binary(op, Box::new(left), Box::new(right));
                Ok(unwrapped(kind, self.span_between(token, close)))
            }
            TokenKind::LeftParen => {
                self.bump()?;
                let inner = self.duration(0)?;
                let close = self.expect(TokenKind::RightParen)?;
                Ok(wrapped(inner, self.span_between(token, close)))
            }
            _ => self.unexpected(),
        }
    }

    /// What stands behind `offset`. Without parentheses it is one operand, so that `a offset 5m * 2` is a product of
    /// `a offset 5m`.
    pub(super) fn offset_duration(&mut self) -> Result<DurationExpr, ParseError> {
        let token = self.peek()?;
        match token.kind {
            TokenKind::LeftParen => self.duration(0),
            TokenKind::Operator(BinaryOp::Add | BinaryOp::Sub) => {
                self.bump()?;
                let inner = self.peek()?;
                if let TokenKind::Operator(BinaryOp::Add | BinaryOp::Sub) = inner.kind {
                    let inner = self.duration(SIGN + 1)?;
                    let first = self.signed(token, inner)?;
                    return self.duration_from(first, 0);
                }
                let operand = self.duration_primary(inner)?;
                if matches!(inner.kind, TokenKind::Time(_)) {
                    // Unlike elsewhere, a plus stays here.
                    let op = sign(token.kind);
                    let span = self.span(token).to(operand.span);
                    return Ok(unwrapped(DurationKind::Unary(op, Box::new(operand)), span));
                }
                self.signed(token, operand)
            }
            _ => self.duration_primary(token),
        }
    }

    /// An operand with a sign; the sign of a number is part of the number.
    fn signed(&self, token: Token, inner: DurationExpr) -> Result<DurationExpr, ParseError> {
        let (op, place) = (sign(token.kind), self.span(token));
        let span = place.to(inner.span);
        match inner.kind {
            DurationKind::Number(literal) => {
                let value = if op == DurationOp::Sub { -literal.value } else { literal.value };
                self.in_range(NumberLiteral { value, ..literal }, span, place)
            }
            _ if op == DurationOp::Add => Ok(inner),
            _ => Ok(unwrapped(DurationKind::Unary(op, Box::new(inner)), span)),
        }
    }

    fn in_range(&self, literal: NumberLiteral, span: Span, place: Span) -> Result<DurationExpr, ParseError> {
        // Not `abs() >`: NaN is taken here, and refused where it is used.
        if literal.value.abs() > MAX_DURATION_SECONDS {
            return self.error(place, "duration out of range");
        }
        Ok(unwrapped(DurationKind::Number(literal), span))
    }
}

fn sign(kind: TokenKind) -> DurationOp {
    if kind == TokenKind::Operator(BinaryOp::Sub) { DurationOp::Sub } else { DurationOp::Add }
}

/// In parentheses; a number is kept apart from a plain one by a plus that nobody sees.
fn wrapped(inner: DurationExpr, span: Span) -> DurationExpr {
    match inner.kind {
        DurationKind::Number(_) => {
            DurationExpr { kind: DurationKind::Unary(DurationOp::Add, Box::new(inner)), wrapped: true, span }
        }
        _ => DurationExpr { wrapped: true, ..inner },
    }
}
