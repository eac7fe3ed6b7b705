//! The words of a query.
//!
//! The result is the same query for promql-parser: comments gone, every number and duration replaced by its index, every
//! string by a placeholder with its index.

use std::fmt::Write;

use crate::parse::error::ParseError;
use crate::parse::{MAX_QUERY_DEPTH, literal, words};
use crate::print::quoted;

/// Stands before and after the index of a string; no query has it outside of strings.
const MARK: char = '\u{1}';

/// A query in words.
#[derive(Debug, Default)]
pub(super) struct Words {
    /// The query with placeholders.
    pub(super) text: String,
    /// Numbers, durations in seconds; the first has the index 1.
    numbers: Vec<f64>,
    /// Strings; the first has the index 0.
    strings: Vec<String>,
    /// Something that is known not to be supported, in the plural.
    pub(super) unsupported: Option<&'static str>,
}

impl Words {
    /// The number of a placeholder, with the placeholder's sign.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // an index that was made of a usize
    pub(super) fn number(&self, placeholder: f64) -> Option<f64> {
        let index = (placeholder.abs() as usize).checked_sub(1)?;
        let value = *self.numbers.get(index)?;
        Some(if placeholder < 0.0 { -value } else { value })
    }

    /// The string of a placeholder.
    pub(super) fn string(&self, placeholder: &str) -> Option<&str> {
        let index = placeholder.strip_prefix(MARK)?.strip_suffix(MARK)?;
        self.strings.get(index.parse::<usize>().ok()?).map(String::as_str)
    }

    /// What a name is: a placeholder's string or itself.
    pub(super) fn name(&self, name: &str) -> String {
        self.string(name).unwrap_or(name).to_owned()
    }

    /// A text with its placeholders filled in.
    pub(super) fn fill_in(&self, text: &str) -> String {
        let mut out = String::new();
        for (index, piece) in text.split(MARK).enumerate() {
            let string = (index % 2 == 1).then(|| self.strings.get(piece.parse::<usize>().ok()?)).flatten();
            out.push_str(string.map_or(piece, String::as_str));
        }
        out
    }
}

/// Splits a query into words.
pub(super) fn lex(query: &str) -> Result<Words, ParseError> {
    let mut lexer = Lexer {
        query,
        at: 0,
        words: Words::default(),
        levels: vec![Level { bracket: '\0', operators: 0 }],
        depth: 0,
    };
    lexer.run()?;
    if lexer.words.text.trim().is_empty() {
        return Err(ParseError::at(query, query.len(), "no expression found in input"));
    }
    Ok(lexer.words)
}

/// An open bracket and how many operators have been seen in it since the last comma.
struct Level {
    bracket: char,
    operators: usize,
}

struct Lexer<'a> {
    query: &'a str,
    at: usize,
    words: Words,
    levels: Vec<Level>,
    /// An upper bound of the tree's depth here.
    depth: usize,
}

impl<'a> Lexer<'a> {
    fn run(&mut self) -> Result<(), ParseError> {
        while let Some(c) = self.rest().chars().next() {
            match c {
                ' ' | '\t' | '\n' | '\r' => self.at += 1,
                '#' => self.at += self.rest().find(['\n', '\r']).unwrap_or(self.rest().len()),
                '"' | '\'' | '`' => self.string(c)?,
                '}' | ')' | ']' => self.close(c)?,
                _ => match self.bracket() {
                    '{' => self.inside_braces(c)?,
                    '[' => self.inside_brackets(c)?,
                    _ => self.outside(c)?,
                },
            }
        }
        match self.bracket() {
            '(' => self.fail("unclosed left parenthesis"),
            '[' => self.fail("unclosed left bracket"),
            '{' => self.fail("unexpected end of input inside braces"),
            _ => Ok(()),
        }
    }

    fn rest(&self) -> &'a str {
        self.query.get(self.at..).unwrap_or_default()
    }

    fn bracket(&self) -> char {
        self.levels.last().map_or('\0', |level| level.bracket)
    }

    fn fail<T>(&self, message: impl Into<String>) -> Result<T, ParseError> {
        Err(ParseError::at(self.query, self.at, message))
    }

    /// Takes a word of this length as it is.
    fn take(&mut self, length: usize) {
        let word = self.rest().get(..length).unwrap_or_default();
        self.emit(word);
        self.at += length;
    }

    /// Writes a word, set off from a word before.
    fn emit(&mut self, word: &str) {
        let separate = self.words.text.ends_with(|c: char| !"{[(".contains(c));
        // Within braces, promql-parser takes `or ` for an operator even before a `=`.
        let glued = self.bracket() == '{' && !word.starts_with(is_word_char);
        if separate && !glued {
            self.words.text.push(' ');
        }
        self.words.text.push_str(word);
    }

    fn outside(&mut self, c: char) -> Result<(), ParseError> {
        let rest = self.rest();
        let next = rest.chars().nth(1);
        match c {
            '0'..='9' => self.number(),
            '.' if next.is_some_and(|next| next.is_ascii_digit()) => self.number(),
            '(' | '{' | '[' => self.open(c),
            ',' => {
                self.take(1);
                self.comma();
                Ok(())
            }
            '=' if next == Some('~') => self.fail("unexpected character after '=': '~'"),
            '!' if next != Some('=') => match next {
                Some(next) => self.fail(format!("unexpected character after '!': '{next}'")),
                None => self.fail("unexpected end of input after '!'"),
            },
            '<' | '>' if next == Some('/') => self.fail("histogram trims (</ and >/) are not supported"),
            '=' | '!' | '<' | '>' => self.operator(if next == Some('=') { 2 } else { 1 }),
            '+' | '-' | '*' | '/' | '%' | '^' | '@' => self.operator(1),
            c if is_word_start(c) || c == ':' => self.word(),
            c => self.fail(format!("unexpected character: '{c}'")),
        }
    }

    fn operator(&mut self, length: usize) -> Result<(), ParseError> {
        self.take(length);
        self.deepen()
    }

    fn word(&mut self) -> Result<(), ParseError> {
        let rest = self.rest();
        let length = rest.find(|c: char| !is_word_char(c) && c != ':').unwrap_or(rest.len());
        let word = rest.get(..length).unwrap_or_default();
        if let Some(number) = words::number(word) {
            self.at += length;
            self.emit_number(number);
            return Ok(());
        }
        self.words.unsupported = self.words.unsupported.or(words::unsupported(word));
        self.take(length);
        if words::deepens(word) { self.deepen() } else { Ok(()) }
    }

    fn inside_braces(&mut self, c: char) -> Result<(), ParseError> {
        let rest = self.rest();
        let next = rest.chars().nth(1);
        match c {
            ',' => self.take(1),
            '=' => self.take(if next == Some('~') { 2 } else { 1 }),
            '!' if matches!(next, Some('=' | '~')) => self.take(2),
            '!' => {
                let next = next.map(String::from).unwrap_or_default();
                return self.fail(format!("unexpected character after '!' inside braces: '{next}'"));
            }
            '{' => return self.fail("unexpected left brace '{'"),
            c if is_word_start(c) => {
                self.take(rest.find(|c: char| !is_word_char(c)).unwrap_or(rest.len()));
            }
            c => return self.fail(format!("unexpected character inside braces: '{c}'")),
        }
        Ok(())
    }

    fn inside_brackets(&mut self, c: char) -> Result<(), ParseError> {
        match c {
            '0'..='9' | '.' => self.number(),
            ':' => {
                self.take(1);
                Ok(())
            }
            '[' => self.fail("unexpected left bracket '['"),
            '+' | '-' | '*' | '/' | '%' | '^' | '(' | 's' | 'r' | 'm' => {
                self.fail(words::DURATION_EXPRESSION)
            }
            c => self.fail(format!("unexpected character: '{c}', expected ':'")),
        }
    }

    /// Checks the depth after one more level.
    fn deepen(&mut self) -> Result<(), ParseError> {
        if let Some(level) = self.levels.last_mut() {
            level.operators += 1;
        }
        self.deeper()
    }

    fn deeper(&mut self) -> Result<(), ParseError> {
        self.depth += 1;
        if self.depth > MAX_QUERY_DEPTH {
            return self.fail(format!(
                "the query is nested more than {MAX_QUERY_DEPTH} deep, brackets and operators in a row counted"
            ));
        }
        Ok(())
    }

    /// What is behind a comma is beside what was before it.
    fn comma(&mut self) {
        if let Some(level) = self.levels.last_mut() {
            self.depth -= level.operators;
            level.operators = 0;
        }
    }

    fn open(&mut self, bracket: char) -> Result<(), ParseError> {
        if bracket == '[' {
            self.deepen()?;
        }
        self.take(1);
        self.levels.push(Level { bracket, operators: 0 });
        self.deeper()
    }

    fn close(&mut self, c: char) -> Result<(), ParseError> {
        let expected = match self.bracket() {
            '(' => ')',
            '[' => ']',
            '{' => '}',
            _ => '\0',
        };
        if c != expected {
            let name = match c {
                ')' => "parenthesis",
                ']' => "bracket",
                _ => "brace",
            };
            return self.fail(format!("unexpected right {name} '{c}'"));
        }
        self.comma();
        self.depth -= 1;
        self.take(1);
        self.levels.pop();
        Ok(())
    }

    fn string(&mut self, quote: char) -> Result<(), ParseError> {
        let body = self.rest().get(1..).unwrap_or_default();
        let Some(length) = string_length(body, quote) else {
            return self.fail(if quote == '`' {
                "unterminated raw string"
            } else {
                "unterminated quoted string"
            });
        };
        let inside = body.get(..length).unwrap_or_default();
        let string = if quote == '`' {
            inside.to_owned()
        } else {
            let start = self.at + 1;
            literal::unescape(inside, quote)
                .map_err(|(byte, message)| ParseError::at(self.query, start + byte, message))?
        };
        self.at += length + 2;
        let placeholder = format!("\"{MARK}{}{MARK}\"", self.words.strings.len());
        self.emit(&placeholder);
        self.words.strings.push(string);
        Ok(())
    }

    fn number(&mut self) -> Result<(), ParseError> {
        let (text, is_duration) = number_text(self.rest());
        let value = if is_duration {
            crate::parse_duration(text).ok().map(|duration| duration.as_secs_f64())
        } else {
            literal::number(text)
        };
        let Some(value) = value else {
            return self.fail(format!("bad number or duration syntax: {}", quoted(text)));
        };
        self.at += text.len();
        self.emit_number(value);
        Ok(())
    }

    fn emit_number(&mut self, value: f64) {
        self.words.numbers.push(value);
        let mut placeholder = String::new();
        let _ = write!(placeholder, "{}", self.words.numbers.len());
        self.emit(&placeholder);
    }
}

/// The length of a string's inside, up to the quote that ends it.
fn string_length(body: &str, quote: char) -> Option<usize> {
    let mut escaped = false;
    for (at, c) in body.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quote != '`' => escaped = true,
            '\n' if quote != '`' => return None,
            c if c == quote => return Some(at),
            _ => {}
        }
    }
    None
}

/// The number or duration that a text starts with, and whether it is a duration. Ends where the word ends, so that what
/// is wrong is in it.
fn number_text(text: &str) -> (&str, bool) {
    let mut end = 0;
    let bytes = text.as_bytes();
    let is_hex = text.len() > 2 && (text.starts_with("0x") || text.starts_with("0X"));
    while let Some(&byte) = bytes.get(end) {
        let after_exponent = !is_hex && end > 0 && matches!(bytes.get(end - 1), Some(b'e' | b'E'));
        if byte.is_ascii_alphanumeric()
            || byte == b'_'
            || byte == b'.'
            || (after_exponent && (byte == b'+' || byte == b'-'))
        {
            end += 1;
        } else {
            break;
        }
    }
    let word = text.get(..end).unwrap_or_default();
    let is_duration = !is_hex && word.ends_with(['s', 'm', 'h', 'd', 'w', 'y']);
    (word, is_duration)
}

fn is_word_start(c: char) -> bool {
    c == '_' || c.is_ascii_alphabetic()
}

fn is_word_char(c: char) -> bool {
    is_word_start(c) || c.is_ascii_digit()
}
