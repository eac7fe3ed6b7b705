//! PromQL: parse, plan, execute. Knows the model and nothing of storage, wires or roles.

pub mod ast;
mod source;

pub use source::{Select, SeriesCursor, SeriesSource, SourceError};
