//! The parser's view of the tokens, and how it words what it does not expect.

use super::lexer::Lexer;
use super::token::{Token, TokenKind};
use super::{MAX_QUERY_DEPTH, MAX_QUERY_LEVELS, ParseError, ParseOptions};
use crate::Features;
use crate::ast::{Expr, ExprKind, Span};

/// What an unexpected token is said to be in, and what was expected there. The innermost rule that knows of errors
/// wins, so that these hold from there down to the next one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Context {
    pub(super) place: &'static str,
    pub(super) expected: &'static str,
}

/// An expression with the number of levels that it has.
pub(super) struct Tree {
    pub(super) expr: Expr,
    pub(super) height: usize,
}

/// Recursive descent, a token at a time: it looks ahead by one token, and only where the grammar needs it.
pub(super) struct Parser<'a> {
    pub(super) text: &'a str,
    pub(super) features: Features,
    lexer: Lexer<'a>,
    ahead: Option<Token>,
    context: Context,
    depth: usize,
    /// Where the lines after the first one begin.
    lines: Vec<u32>,
}

impl<'a> Parser<'a> {
    pub(super) fn new(text: &'a str, options: &ParseOptions) -> Self {
        let newlines = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        Self {
            text,
            features: options.features,
            lexer: Lexer::new(text),
            ahead: None,
            context: Context { place: "", expected: "" },
            depth: 0,
            lines: newlines.map(|(at, _)| short(at + 1)).collect(),
        }
    }

    /// The whole text as one expression, its types not checked yet.
    pub(super) fn parse(mut self) -> Result<Tree, ParseError> {
        if self.peek()?.kind == TokenKind::End {
            return Err(ParseError::at(self.text, 0, "no expression found in input"));
        }
        let tree = self.expression(0)?;
        match self.peek()?.kind {
            TokenKind::End => Ok(tree),
            _ => self.unexpected(),
        }
    }

    pub(super) fn peek(&mut self) -> Result<Token, ParseError> {
        if let Some(token) = self.ahead {
            return Ok(token);
        }
        let token = self.lexer.next()?;
        self.ahead = Some(token);
        Ok(token)
    }

    pub(super) fn bump(&mut self) -> Result<Token, ParseError> {
        let token = self.peek()?;
        self.ahead = None;
        Ok(token)
    }

    /// The next token if it is of this kind.
    pub(super) fn accept(&mut self, kind: TokenKind) -> Result<Option<Token>, ParseError> {
        if self.peek()?.kind == kind { self.bump().map(Some) } else { Ok(None) }
    }

    pub(super) fn expect(&mut self, kind: TokenKind) -> Result<Token, ParseError> {
        match self.accept(kind)? {
            Some(token) => Ok(token),
            None => self.unexpected(),
        }
    }

    /// Whether the next token is of this kind.
    pub(super) fn is_next(&mut self, kind: TokenKind) -> Result<bool, ParseError> {
        Ok(self.peek()?.kind == kind)
    }

    pub(super) fn token_text(&self, token: Token) -> &'a str {
        self.text.get(token.start..token.end).unwrap_or_default()
    }

    /// Says that the next token is not expected where the context says.
    pub(super) fn unexpected<T>(&mut self) -> Result<T, ParseError> {
        let Context { place, expected } = self.context;
        self.unexpected_in(place, expected)
    }

    /// Says that the next token is not expected here.
    pub(super) fn unexpected_in<T>(&mut self, place: &str, expected: &str) -> Result<T, ParseError> {
        let token = self.peek()?;
        let mut message = format!("unexpected {}", token.kind.describe(self.token_text(token)));
        if !place.is_empty() {
            message.push_str(&format!(" in {place}"));
        }
        if !expected.is_empty() {
            message.push_str(&format!(", expected {expected}"));
        }
        Err(ParseError::at(self.text, token.start, message))
    }

    pub(super) fn error<T>(&self, span: Span, message: impl Into<String>) -> Result<T, ParseError> {
        Err(ParseError::at(self.text, span.start as usize, message))
    }

    /// Parses a part in which unexpected tokens are worded so.
    pub(super) fn within<T>(
        &mut self,
        place: &'static str,
        expected: &'static str,
        part: impl FnOnce(&mut Self) -> Result<T, ParseError>,
    ) -> Result<T, ParseError> {
        let outer = std::mem::replace(&mut self.context, Context { place, expected });
        let parsed = part(self);
        self.context = outer;
        parsed
    }

    /// Parses a part that is a level deeper.
    pub(super) fn deeper<T>(
        &mut self,
        part: impl FnOnce(&mut Self) -> Result<T, ParseError>,
    ) -> Result<T, ParseError> {
        self.depth += 1;
        if self.depth > MAX_QUERY_DEPTH {
            return Err(too_deep());
        }
        let parsed = part(self);
        self.depth -= 1;
        parsed
    }

    /// An expression over others that have this many levels.
    pub(super) fn tree(&self, below: usize, kind: ExprKind, span: Span) -> Result<Tree, ParseError> {
        let height = below + 1;
        if height > MAX_QUERY_LEVELS {
            return Err(ParseError::whole(format!(
                "the expression has more than {MAX_QUERY_LEVELS} levels: operators one after the other are a level each; \
                 put parts of it into brackets or ask for them apart"
            )));
        }
        Ok(Tree { expr: Expr { kind, span }, height })
    }

    /// Where a token stands.
    pub(super) fn span(&self, token: Token) -> Span {
        self.span_between(token, token)
    }

    /// From the start of one token to the end of another.
    pub(super) fn span_between(&self, first: Token, last: Token) -> Span {
        let start = short(first.start);
        let line = self.lines.partition_point(|line| *line <= start);
        let line_start = line.checked_sub(1).and_then(|before| self.lines.get(before)).copied();
        Span {
            start,
            end: short(last.end),
            line: short(line + 1),
            column: start - line_start.unwrap_or_default() + 1,
        }
    }
}

/// Texts are shorter than [`super::MAX_QUERY_LENGTH`].
fn short(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

pub(super) fn too_deep() -> ParseError {
    ParseError::whole(format!("the expression is nested more than {MAX_QUERY_DEPTH} deep"))
}
