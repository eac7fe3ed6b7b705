//! From text to the syntax tree.
//!
//! [`Lexer`](lexer::Lexer) makes tokens, [`Parser`](parser::Parser) the tree by recursive descent and precedence
//! climbing, `check` its types. The grammar is Prometheus 3.14's; so are the texts and places of errors, which follow
//! from which alternatives its generated parser has when it meets the token. Time is linear in the length of the text;
//! length and depth are bounded.

mod aggregate;
mod brackets;
mod call;
mod check;
mod duration;
mod error;
mod expression;
mod lexer;
mod matching;
mod number;
mod parser;
mod selector;
mod shift;
mod string;
mod token;

pub(crate) use duration::MAX_DURATION_SECONDS;
pub use error::ParseError;

use crate::ast::Expr;
use crate::{Features, with_room};

/// The longest query, in bytes.
pub const MAX_QUERY_LENGTH: usize = 1 << 20;
/// How deep an expression may be nested: brackets, signs and whatever else the parser recurses into.
pub const MAX_QUERY_DEPTH: usize = 128;
/// How many levels an expression may have: those of its nesting, and of operators one after the other, which nest to
/// the left. What recurses over them is given the stack for it: see [`crate::with_room`].
pub const MAX_QUERY_LEVELS: usize = 1000;

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
        return Err(ParseError::whole(format!("the query is longer than {MAX_QUERY_LENGTH} bytes")));
    }
    let mut tree = parser::Parser::new(text, options).parse()?;
    with_room(tree.height, || check::check(&mut tree.expr, text))??;
    Ok(tree.expr)
}

#[cfg(test)]
mod tests;
