//! PromQL: parse, plan, execute. Knows the model and nothing of storage, wires or roles.

mod account;
mod analysis;
mod annotations;
pub mod ast;
mod commons;
mod config;
mod control;
mod duration;
mod engine;
mod error;
mod exec;
pub mod functions;
mod notices;
pub mod parse;
pub mod plan;
pub mod print;
mod report;
mod result;
mod source;
mod split;
mod stack;
mod value;

pub use account::Reservation;
pub use analysis::{Analysis, AnalyzedNode, OperatorFigures, ResolutionSet};
pub use annotations::{Annotations, CallContext};
pub use config::{EngineConfig, Features};
pub use control::{Control, QueryLimits, QueryStats};
pub use duration::{format_duration, parse_duration};
pub use engine::{Engine, InstantQuery, QueryResult, RangeQuery};
pub use error::QueryError;
pub use notices::{HistogramOperation, Notice};
pub use report::{Report, ReportOptions};
pub use source::{Resolutions, RollupCursor, RollupSelect, Select, SeriesCursor, SeriesSource, SourceError};
pub use split::Footprint;
pub use stack::{NoRoom, with_room};
pub use value::{HistogramPoint, MatrixSeries, Point, SampleValue, Value, VectorSample};
