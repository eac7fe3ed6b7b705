//! Scripts of PromQL queries and what they must return, in the language of Prometheus's promqltest:
//! `load` adds samples, `clear` forgets them, `eval` asks and compares.
//!
//! A line of `load` such as `metric@st -1m _ -1mx3` says of the next one how far from each sample its start timestamp is.
//! Expected annotations may end in a place such as `(1:7)`, which is not compared while the parser knows none.

mod compare;
mod hints;
mod histogram;
mod nhcb;
mod run;
mod script;
mod series;
mod starts;
mod storage;

pub use run::{Failure, Report, run_script, run_script_with};
pub use script::{Command, Eval, EvalTimes, Expect, ExpectKind, Load, ScriptError, parse_script};
pub use series::{Item, SeriesLine, parse_series};
pub use storage::MemorySource;
