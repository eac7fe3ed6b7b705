//! From a text to tokens, one at a time. What a character means depends on the brackets that it stands in.

use super::token::{Keyword, Token, TokenKind, word};
use super::{ParseError, number, string};
use crate::ast::BinaryOp;

/// Reads tokens. The parser asks for one at a time, so that the first of several errors is the leftmost.
pub(super) struct Lexer<'a> {
    text: &'a str,
    /// The next byte to read.
    at: usize,
    /// Round brackets that are open.
    parens: usize,
    in_braces: bool,
    brackets: Brackets,
}

/// Where between square brackets the lexer is.
#[derive(Clone, Copy, Debug, Default)]
struct Brackets {
    open: bool,
    /// Nothing but operators and parentheses so far: names are refused in other words then.
    leading: bool,
    colon: bool,
    /// Upstream forgets to take this back, so that it holds for all brackets after the first duration.
    duration: bool,
}

/// Words that durations are computed with.
const DURATION_WORDS: [&str; 4] = ["step", "range", "max_of", "min_of"];

impl<'a> Lexer<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0, parens: 0, in_braces: false, brackets: Brackets::default() }
    }

    pub(super) fn next(&mut self) -> Result<Token, ParseError> {
        self.skip_blanks();
        let start = self.at;
        let kind = if self.in_braces {
            self.inside_braces()?
        } else if self.brackets.open && self.brackets.leading {
            self.inside_brackets()?
        } else {
            self.outside()?
        };
        Ok(Token { kind, start, end: self.at })
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn bump(&mut self) -> Option<char> {
        let next = self.peek();
        self.at += next.map_or(0, char::len_utf8);
        next
    }

    fn accept(&mut self, wanted: char) -> bool {
        let found = self.peek() == Some(wanted);
        if found {
            self.at += wanted.len_utf8();
        }
        found
    }

    fn error<T>(&self, start: usize, message: impl Into<String>) -> Result<T, ParseError> {
        Err(ParseError::at(self.text, start, message))
    }

    /// Skips spaces, and comments where they are allowed.
    fn skip_blanks(&mut self) {
        let comments = !(self.brackets.open && self.brackets.leading);
        loop {
            let trimmed = self.rest().trim_start_matches([' ', '\t', '\n', '\r']);
            self.at = self.text.len() - trimmed.len();
            if !comments || !trimmed.starts_with('#') {
                return;
            }
            self.at += trimmed.find(['\n', '\r']).unwrap_or(trimmed.len());
        }
    }

    fn outside(&mut self) -> Result<TokenKind, ParseError> {
        let start = self.at;
        let Some(c) = self.bump() else {
            return self.end(start);
        };
        if let Some(kind) = self.arithmetic(c) {
            return Ok(kind);
        }
        match c {
            '=' => match self.peek() {
                Some('=') => Ok(self.longer(BinaryOp::Equal)),
                Some('~') => self.error(start, "unexpected character after '=': '~'"),
                _ => Ok(TokenKind::Equals),
            },
            '!' => match self.bump() {
                Some('=') => Ok(TokenKind::Operator(BinaryOp::NotEqual)),
                other => self.error(start, format!("unexpected character after '!': {}", quoted_char(other))),
            },
            '<' => Ok(match self.peek() {
                Some('=') => self.longer(BinaryOp::LessOrEqual),
                Some('/') => self.longer(BinaryOp::TrimUpper),
                _ => TokenKind::Operator(BinaryOp::Less),
            }),
            '>' => Ok(match self.peek() {
                Some('=') => self.longer(BinaryOp::GreaterOrEqual),
                Some('/') => self.longer(BinaryOp::TrimLower),
                _ => TokenKind::Operator(BinaryOp::Greater),
            }),
            '"' | '\'' | '`' => self.string(start, c),
            '(' | ')' => self.paren(c),
            '@' => Ok(TokenKind::At),
            '{' => {
                self.in_braces = true;
                Ok(TokenKind::LeftBrace)
            }
            '[' => {
                if self.brackets.open {
                    return self.error(start, "unexpected left bracket '['");
                }
                self.brackets = Brackets { open: true, leading: true, colon: false, ..self.brackets };
                Ok(TokenKind::LeftBracket)
            }
            ']' => {
                if !self.brackets.open {
                    return self.error(start, "unexpected right bracket ']'");
                }
                self.brackets.open = false;
                Ok(TokenKind::RightBracket)
            }
            c if c.is_ascii_digit() || self.is_fraction(c) => self.number(start),
            c if is_alpha(c) || c == ':' => self.name(start, c),
            c => self.error(start, format!("unexpected character: {}", quoted_char(Some(c)))),
        }
    }

    fn end(&self, start: usize) -> Result<TokenKind, ParseError> {
        if self.parens > 0 {
            return self.error(start, "unclosed left parenthesis");
        }
        if self.brackets.open {
            return self.error(start, "unclosed left bracket");
        }
        Ok(TokenKind::End)
    }

    /// The tokens of a character that mean the same in and out of brackets.
    fn arithmetic(&self, c: char) -> Option<TokenKind> {
        let op = match c {
            ',' => return Some(TokenKind::Comma),
            '+' => BinaryOp::Add,
            '-' => BinaryOp::Sub,
            '*' => BinaryOp::Mul,
            '/' => BinaryOp::Div,
            '%' => BinaryOp::Mod,
            '^' => BinaryOp::Pow,
            _ => return None,
        };
        Some(TokenKind::Operator(op))
    }

    /// An operator that has one more character.
    fn longer(&mut self, op: BinaryOp) -> TokenKind {
        self.at += 1;
        TokenKind::Operator(op)
    }

    fn paren(&mut self, c: char) -> Result<TokenKind, ParseError> {
        if c == '(' {
            self.parens += 1;
            return Ok(TokenKind::LeftParen);
        }
        match self.parens.checked_sub(1) {
            Some(left) => {
                self.parens = left;
                Ok(TokenKind::RightParen)
            }
            // Upstream names the place behind it.
            None => self.error(self.at, "unexpected right parenthesis ')'"),
        }
    }

    fn is_fraction(&self, c: char) -> bool {
        c == '.' && self.peek().is_some_and(|next| next.is_ascii_digit())
    }

    fn number(&mut self, start: usize) -> Result<TokenKind, ParseError> {
        self.brackets.leading = false;
        let rest = self.text.get(start..).unwrap_or_default();
        let (length, kind) = number::scan(rest);
        self.at = start + length;
        kind.map_or_else(
            || {
                let found = crate::print::quoted(rest.get(..length).unwrap_or_default());
                self.error(start, format!("bad number or duration syntax: {found}"))
            },
            Ok,
        )
    }

    fn string(&mut self, start: usize, quote: char) -> Result<TokenKind, ParseError> {
        match string::scan(self.rest(), quote) {
            Ok(length) => {
                self.at += length;
                Ok(TokenKind::String)
            }
            Err(message) => self.error(start, message),
        }
    }

    fn name(&mut self, start: usize, first: char) -> Result<TokenKind, ParseError> {
        if self.brackets.open {
            return self.name_in_brackets(start, first);
        }
        let rest = self.rest();
        let length = rest.find(|c| !is_alphanumeric(c) && c != ':').unwrap_or(rest.len());
        self.at += length;
        let text = self.text.get(start..self.at).unwrap_or_default();
        Ok(match word(text) {
            // Metrics may be called so.
            Some(TokenKind::Keyword(Keyword::Fill | Keyword::FillLeft | Keyword::FillRight))
                if !self.rest().trim_start_matches([' ', '\t', '\n', '\r']).starts_with('(') =>
            {
                TokenKind::Identifier
            }
            Some(kind) => kind,
            None if text.contains(':') => TokenKind::MetricIdentifier,
            None => TokenKind::Identifier,
        })
    }

    fn name_in_brackets(&mut self, start: usize, first: char) -> Result<TokenKind, ParseError> {
        if first == ':' {
            if self.brackets.colon {
                return self.error(start, "unexpected colon ':'");
            }
            self.brackets.colon = true;
            return Ok(TokenKind::Colon);
        }
        match self.duration_word(start, first) {
            Some(kind) => Ok(kind),
            None => {
                let found = quoted_char(Some(first));
                self.error(start, format!("unexpected character: {found}, expected ':'"))
            }
        }
    }

    /// The word for computing durations that begins with a character already read.
    fn duration_word(&mut self, start: usize, first: char) -> Option<TokenKind> {
        if !matches!(first.to_ascii_lowercase(), 's' | 'r' | 'm') {
            return None;
        }
        let rest = self.rest();
        self.at += rest.find(|c| !is_alpha(c)).unwrap_or(rest.len());
        let text = self.text.get(start..self.at)?;
        DURATION_WORDS.iter().any(|known| text.eq_ignore_ascii_case(known)).then(|| word(text)).flatten()
    }

    /// Between square brackets, before the first number.
    fn inside_brackets(&mut self) -> Result<TokenKind, ParseError> {
        let start = self.at;
        let Some(c) = self.bump() else {
            return self.error(start, "unexpected end of input in duration expression");
        };
        if let Some(kind) = self.arithmetic(c) {
            return Ok(kind);
        }
        match c {
            '(' | ')' => self.paren(c),
            ']' => {
                self.brackets = Brackets { open: false, colon: false, ..self.brackets };
                Ok(TokenKind::RightBracket)
            }
            ':' if !self.brackets.duration => {
                self.error(self.at, "unexpected colon before duration in duration expression")
            }
            ':' if self.brackets.colon => {
                self.error(self.at, "unexpected repeated colon in duration expression")
            }
            ':' => {
                self.brackets.colon = true;
                Ok(TokenKind::Colon)
            }
            c if c.is_ascii_digit() || self.is_fraction(c) => {
                self.brackets.duration = true;
                self.number(start)
            }
            c => match self.duration_word(start, c) {
                Some(kind) => Ok(kind),
                None => {
                    let found = quoted_char(Some(c));
                    self.error(start, format!("unexpected character in duration expression: {found}"))
                }
            },
        }
    }

    fn inside_braces(&mut self) -> Result<TokenKind, ParseError> {
        let start = self.at;
        let Some(c) = self.bump() else {
            return self.error(start, "unexpected end of input inside braces");
        };
        match c {
            ',' => Ok(TokenKind::Comma),
            '"' | '\'' | '`' => self.string(start, c),
            '=' if self.accept('~') => Ok(TokenKind::Matches),
            '=' => Ok(TokenKind::Equals),
            '!' => match self.bump() {
                Some('~') => Ok(TokenKind::MatchesNot),
                Some('=') => Ok(TokenKind::Operator(BinaryOp::NotEqual)),
                other => {
                    let found = quoted_char(other);
                    self.error(start, format!("unexpected character after '!' inside braces: {found}"))
                }
            },
            '{' => self.error(start, "unexpected left brace '{'"),
            '}' => {
                self.in_braces = false;
                Ok(TokenKind::RightBrace)
            }
            c if is_alpha(c) => {
                let rest = self.rest();
                self.at += rest.find(|c| !is_alphanumeric(c)).unwrap_or(rest.len());
                Ok(TokenKind::Identifier)
            }
            c => {
                let found = quoted_char(Some(c));
                self.error(start, format!("unexpected character inside braces: {found}"))
            }
        }
    }
}

/// A character in single quotes; the end of the text is quoted as no character at all.
fn quoted_char(c: Option<char>) -> String {
    let text = c.unwrap_or(char::REPLACEMENT_CHARACTER).to_string();
    match text.as_str() {
        "'" => r"'\''".to_owned(),
        "\"" => "'\"'".to_owned(),
        _ => {
            let quoted = crate::print::quoted(&text);
            format!("'{}'", quoted.get(1..quoted.len() - 1).unwrap_or_default())
        }
    }
}

/// A letter or underscore.
fn is_alpha(c: char) -> bool {
    c == '_' || c.is_ascii_alphabetic()
}

/// A letter, digit or underscore.
pub(super) fn is_alphanumeric(c: char) -> bool {
    c == '_' || c.is_ascii_alphanumeric()
}
