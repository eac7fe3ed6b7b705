//! Scripts of PromQL queries and what they must return, in the language of Prometheus's promqltest:
//! `load` adds samples, `clear` forgets them, `eval` asks and compares.
//!
//! Start timestamps are not spoken yet: an `eval` that selects a series which has some is skipped and counted. Expected annotations may end in a place such as
//! `(1:7)`, which is not compared while the parser knows none.

mod compare;
mod hints;
mod histogram;
mod nhcb;
mod run;
mod script;
mod series;
mod storage;

pub use run::{Failure, Report, run_script, run_script_with};
pub use script::{Command, Eval, EvalTimes, Expect, ExpectKind, Load, ScriptError, parse_script};
pub use series::{Item, SeriesLine, parse_series};
pub use storage::MemorySource;
