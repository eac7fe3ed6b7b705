//! Expressions: operators by precedence climbing, operands, and what stands behind them.

use super::ParseError;
use super::parser::{Parser, Tree};
use super::token::{Keyword, Token, TokenKind};
use super::{number, string};
use crate::ast::{Binary, BinaryOp, ExprKind, NumberLiteral, UnaryOp};

/// How tightly a sign binds: like `*`, so that `^` comes before it.
const SIGN: u8 = 5;

/// How tightly an operator binds.
pub(super) fn precedence(op: BinaryOp) -> u8 {
    match op {
        BinaryOp::Or => 1,
        BinaryOp::And | BinaryOp::Unless => 2,
        BinaryOp::Equal
        | BinaryOp::NotEqual
        | BinaryOp::Greater
        | BinaryOp::Less
        | BinaryOp::GreaterOrEqual
        | BinaryOp::LessOrEqual
        | BinaryOp::TrimUpper
        | BinaryOp::TrimLower => 3,
        BinaryOp::Add | BinaryOp::Sub => 4,
        BinaryOp::Mul | BinaryOp::Div | BinaryOp::Mod | BinaryOp::Atan2 => SIGN,
        BinaryOp::Pow => 6,
    }
}

/// How tightly the right side of an operator must bind to belong to it; `^` alone binds to the right.
pub(super) fn right_precedence(op: BinaryOp) -> u8 {
    precedence(op) + u8::from(op != BinaryOp::Pow)
}

impl Parser<'_> {
    /// An expression of operators that bind at least so tightly.
    pub(super) fn expression(&mut self, weakest: u8) -> Result<Tree, ParseError> {
        self.deeper(|parser| {
            let mut left = parser.operand()?;
            while let TokenKind::Operator(op) = parser.peek()?.kind {
                if precedence(op) < weakest {
                    break;
                }
                parser.bump()?;
                left = parser.binary(left, op)?;
            }
            Ok(left)
        })
    }

    /// The rest of an operation whose operator was read last.
    fn binary(&mut self, left: Tree, op: BinaryOp) -> Result<Tree, ParseError> {
        let (return_bool, matching) = self.matching()?;
        let right = self.expression(right_precedence(op))?;
        let span = left.expr.span.to(right.expr.span);
        if matching.fill.is_some() && !self.features.promql_binop_fill_modifiers {
            return self.error(span, "binop fill modifiers are experimental and not enabled");
        }
        let height = left.height.max(right.height);
        let (left, right) = (left.expr, right.expr);
        let binary = Binary { op, return_bool, matching: Some(matching), left, right };
        self.tree(height, ExprKind::Binary(Box::new(binary)), span)
    }

    /// An operand with its signs and whatever stands behind it.
    fn operand(&mut self) -> Result<Tree, ParseError> {
        let token = self.peek()?;
        let op = match token.kind {
            TokenKind::Operator(BinaryOp::Add) => UnaryOp::Plus,
            TokenKind::Operator(BinaryOp::Sub) => UnaryOp::Minus,
            _ => {
                let primary = self.primary(token)?;
                return self.suffixed(primary);
            }
        };
        self.bump()?;
        let mut inner = self.expression(SIGN + 1)?;
        let span = self.span(token).to(inner.expr.span);
        if let ExprKind::Number(literal) = &mut inner.expr.kind {
            if op == UnaryOp::Minus {
                literal.value = -literal.value;
            }
            inner.expr.span = span;
            return Ok(inner);
        }
        self.tree(inner.height, ExprKind::Unary(op, Box::new(inner.expr)), span)
    }

    fn primary(&mut self, token: Token) -> Result<Tree, ParseError> {
        match token.kind {
            TokenKind::Number | TokenKind::Duration => {
                let literal = self.number()?;
                self.tree(0, ExprKind::Number(literal), self.span(token))
            }
            TokenKind::String => {
                self.bump()?;
                let text = string::unquote(self.token_text(token));
                self.tree(0, ExprKind::Text(text), self.span(token))
            }
            TokenKind::LeftParen => {
                self.bump()?;
                let inner = self.expression(0)?;
                let close = self.expect(TokenKind::RightParen)?;
                let kind = ExprKind::Paren(Box::new(inner.expr));
                self.tree(inner.height, kind, self.span_between(token, close))
            }
            TokenKind::LeftBrace => self.selector(None),
            kind if kind.is_metric_name() => self.named(),
            _ => self.unexpected(),
        }
    }

    /// What begins with a name: the token behind it decides what it is.
    fn named(&mut self) -> Result<Tree, ParseError> {
        let name = self.bump()?;
        let behind = self.peek()?.kind;
        match (name.kind, behind) {
            (
                TokenKind::Aggregator(op),
                TokenKind::LeftParen | TokenKind::Keyword(Keyword::By | Keyword::Without),
            ) => self.aggregate(name, op),
            (TokenKind::Identifier | TokenKind::Time(_), TokenKind::LeftParen) => self.call(name),
            _ => self.selector(Some(name)),
        }
    }

    /// A number or a duration in seconds.
    pub(super) fn number(&mut self) -> Result<NumberLiteral, ParseError> {
        let token = self.peek()?;
        let text = self.token_text(token);
        let (value, is_duration) = match token.kind {
            TokenKind::Number => {
                (number::number(text).map_err(|error| format!("error parsing number: {error}")), false)
            }
            TokenKind::Duration => (number::duration(text), true),
            _ => return self.unexpected(),
        };
        self.bump()?;
        match value {
            Ok(value) => Ok(NumberLiteral { value, is_duration }),
            Err(message) => self.error(self.span(token), message),
        }
    }

    /// Adds ranges, offsets, `@` and their like for as long as there are any.
    fn suffixed(&mut self, mut tree: Tree) -> Result<Tree, ParseError> {
        loop {
            let token = self.peek()?;
            tree = match token.kind {
                TokenKind::LeftBracket => self.brackets(tree)?,
                TokenKind::At => self.at(tree)?,
                TokenKind::Keyword(Keyword::Offset) => self.offset(tree)?,
                TokenKind::Keyword(Keyword::Anchored | Keyword::Smoothed) => self.extension(tree, token)?,
                _ => return Ok(tree),
            };
        }
    }
}
