//! Text to [`Expr`].
//!
//! Words are ours (`lex`), the grammar is promql-parser's, which is imported here and nowhere else, and the types
//! are checked by us (`check`), on our own tree. promql-parser is handed a text in which strings and numbers are
//! placeholders: what it does with escapes, regular expressions, large numbers and durations differs from Prometheus or
//! panics. Length and depth are bounded before it sees anything, since its tree and ours are walked recursively.

mod check;
mod convert;
mod error;
mod lex;
mod literal;
mod types;
mod words;

pub use error::ParseError;

use crate::Features;
use crate::ast::Expr;

/// The longest query, in bytes.
pub const MAX_QUERY_LENGTH: usize = 1 << 20;
/// How deep an expression may be nested: brackets, and operators one after the other. Parser, planner and engine
/// recurse this deep; without optimisation the engine then needs most of a thread's usual 2 MiB of stack.
pub const MAX_QUERY_DEPTH: usize = 128;

/// What the language has beyond its core.
#[derive(Clone, Copy, Debug, Default)]
pub struct ParseOptions {
    /// Optional parts of the language.
    pub features: Features,
}

/// Parses and checks an expression.
///
/// # Errors
/// [`ParseError`], with Prometheus's words where it has the error too.
pub fn parse(text: &str, options: &ParseOptions) -> Result<Expr, ParseError> {
    if text.len() > MAX_QUERY_LENGTH {
        return Err(ParseError::new(format!("the query is longer than {MAX_QUERY_LENGTH} bytes")));
    }
    let words = lex::lex(text)?;
    let tree = promql_parser::parser::parse(&words.text)
        .map_err(|message| ParseError::new(error::in_prometheus_words(&words, &message)))?;
    let expr = convert::convert(&tree, &words)?;
    check::check(&expr, options)?;
    Ok(expr)
}

#[cfg(test)]
mod tests;
