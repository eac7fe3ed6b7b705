//! Expressions as text, as Prometheus prints them.
//!
//! [`format`] is one line, its `Expr.String()`; [`pretty`] breaks lines over 100 characters as its `format_query` does.
//! What is printed parses to the same expression again.

mod expr;
mod histogram;
mod literal;
mod pretty;
mod suffix;

pub use expr::format;
pub use histogram::histogram;
pub use literal::{fixed, general, quoted};
pub use pretty::pretty;

#[cfg(test)]
mod tests;
