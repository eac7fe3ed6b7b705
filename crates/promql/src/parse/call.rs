//! Calls of functions.

use super::ParseError;
use super::parser::{Parser, Tree};
use super::token::{Token, TokenKind};
use crate::ast::{Expr, ExprKind};
use crate::functions;
use crate::print::quoted;

impl Parser<'_> {
    /// The rest of a call whose function was read last.
    pub(super) fn call(&mut self, name: Token) -> Result<Tree, ParseError> {
        let (args, height, close) = self.arguments()?;
        let function = self.token_text(name);
        match functions::lookup(function) {
            None => self.error(self.span(name), format!("unknown function with name {}", quoted(function))),
            Some(spec) if spec.experimental && !self.features.promql_experimental_functions => {
                self.error(self.span(name), format!("function {} is not enabled", quoted(function)))
            }
            Some(_) => {
                let kind = ExprKind::Call { function: function.to_owned(), args };
                self.tree(height, kind, self.span_between(name, close))
            }
        }
    }

    /// `(a, b)`: the arguments, how many levels the highest has, and the closing token.
    pub(super) fn arguments(&mut self) -> Result<(Vec<Expr>, usize, Token), ParseError> {
        self.expect(TokenKind::LeftParen)?;
        let (mut args, mut height) = (Vec::new(), 0);
        if let Some(close) = self.accept(TokenKind::RightParen)? {
            return Ok((args, height, close));
        }
        loop {
            let arg = self.expression(0)?;
            args.push(arg.expr);
            height = height.max(arg.height);
            let Some(comma) = self.accept(TokenKind::Comma)? else {
                return Ok((args, height, self.expect(TokenKind::RightParen)?));
            };
            if !self.peek()?.kind.begins_expression() {
                let message = "trailing commas not allowed in function call args";
                return self.error(self.span(comma), message);
            }
        }
    }
}
