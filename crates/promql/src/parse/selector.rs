//! Selectors of series. Their names and values are UTF-8, as those of series are: a byte that is not becomes U+FFFD,
//! which no series has by chance.

use latewood_model::{METRIC_NAME, MatchOp, Matcher};

use super::ParseError;
use super::parser::{Parser, Tree};
use super::string;
use super::token::{Token, TokenKind};
use crate::ast::{BinaryOp, ExprKind, Shift, VectorSelector};

const PLACE: &str = "label matching";

impl Parser<'_> {
    /// A selector, of which the metric's name was read last if it has one.
    pub(super) fn selector(&mut self, name: Option<Token>) -> Result<Tree, ParseError> {
        let (mut matchers, mut first, mut last) = (Vec::new(), name, name);
        if let Some(open) = self.accept(TokenKind::LeftBrace)? {
            let (inside, close) = self.matchers()?;
            matchers = inside;
            first = first.or(Some(open));
            last = Some(close);
        }
        let (Some(first), Some(last)) = (first, last) else {
            return self.unexpected();
        };
        let name = name.map(|token| self.token_text(token).to_owned());
        if let Some(name) = &name {
            matchers.push(self.matcher(MatchOp::Equal, METRIC_NAME, name, first)?);
        }
        let selector = VectorSelector { name, matchers, shift: Shift::default(), extension: None };
        self.tree(0, ExprKind::Selector(selector), self.span_between(first, last))
    }

    /// The matchers up to the closing brace.
    fn matchers(&mut self) -> Result<(Vec<Matcher>, Token), ParseError> {
        let mut matchers = Vec::new();
        loop {
            if let Some(close) = self.accept(TokenKind::RightBrace)? {
                return Ok((matchers, close));
            }
            matchers.push(self.label_matcher()?);
            if let Some(close) = self.accept(TokenKind::RightBrace)? {
                return Ok((matchers, close));
            }
            if self.accept(TokenKind::Comma)?.is_none() {
                return self.unexpected_in(PLACE, "\",\" or \"}\"");
            }
        }
    }

    /// `a="b"`, `"a b"=~"c"`, or a metric's name in quotes.
    fn label_matcher(&mut self) -> Result<Matcher, ParseError> {
        let token = self.peek()?;
        let text = self.token_text(token);
        let name = match token.kind {
            TokenKind::Identifier => text.to_owned(),
            TokenKind::String => string::unquote(text).to_lossy(),
            _ => return self.unexpected_in(PLACE, "identifier or \"}\""),
        };
        self.bump()?;
        let op = match self.peek()?.kind {
            TokenKind::Equals => MatchOp::Equal,
            TokenKind::Operator(BinaryOp::NotEqual) => MatchOp::NotEqual,
            TokenKind::Matches => MatchOp::Regex,
            TokenKind::MatchesNot => MatchOp::NotRegex,
            _ if token.kind == TokenKind::String => {
                return self.matcher(MatchOp::Equal, METRIC_NAME, &name, token);
            }
            _ => return self.unexpected_in(PLACE, "label matching operator"),
        };
        self.bump()?;
        let Some(value) = self.accept(TokenKind::String)? else {
            return self.unexpected_in(PLACE, "string");
        };
        self.matcher(op, &name, &string::unquote(self.token_text(value)).to_lossy(), token)
    }

    fn matcher(&self, op: MatchOp, name: &str, value: &str, first: Token) -> Result<Matcher, ParseError> {
        Matcher::new(op, name, value)
            .map_err(|error| ParseError::at(self.text, first.start, error.to_string()))
    }
}
