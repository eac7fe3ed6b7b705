//! Scripts and their commands.

use std::time::Duration;

use latewood_promql::parse_duration;

use super::series::{SeriesLine, number, parse_series, quoted};
use super::starts::parse_starts;

/// A command of a script.
#[derive(Clone, Debug)]
pub enum Command {
    /// Forget all samples.
    Clear,
    /// Add samples.
    Load(Load),
    /// Ask and compare.
    Eval(Box<Eval>),
}

/// `load`
#[derive(Clone, Debug)]
pub struct Load {
    /// The distance of samples, the first one at 0.
    pub interval: Duration,
    /// The series.
    pub series: Vec<SeriesLine>,
    /// Whether classic histograms are to become native ones too.
    pub converts: bool,
}

/// `eval`
#[derive(Clone, Debug)]
pub struct Eval {
    /// Its line in the script.
    pub line: usize,
    /// What is asked.
    pub query: String,
    /// When.
    pub times: EvalTimes,
    /// What is expected beside values.
    pub expects: Vec<Expect>,
    /// The expected series in order.
    pub series: Vec<SeriesLine>,
    /// The expected scalar.
    pub scalar: Option<f64>,
    /// The expected text.
    pub text: Option<String>,
    /// Times of an expected range vector: start, end, step in milliseconds.
    pub range_vector: Option<[i64; 3]>,
}

/// The times of an `eval`, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EvalTimes {
    /// `instant at`
    Instant(i64),
    /// `range from to step`
    Range {
        /// The first step.
        start: i64,
        /// No step lies after this.
        end: i64,
        /// The distance of steps.
        step: i64,
    },
}

/// An `expect` line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expect {
    /// What is expected.
    pub kind: ExpectKind,
    /// Its whole text.
    pub message: Option<String>,
    /// An expression that its text matches.
    pub regex: Option<String>,
}

/// What an `expect` line is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum ExpectKind {
    Fail,
    Warn,
    NoWarn,
    Info,
    NoInfo,
    Ordered,
}

/// Why a script cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {message}")]
pub struct ScriptError {
    /// Where, from 1.
    pub line: usize,
    /// What is wrong.
    pub message: String,
}

/// Reads a script.
///
/// # Errors
/// [`ScriptError`]
pub fn parse_script(text: &str) -> Result<Vec<Command>, ScriptError> {
    let lines: Vec<&str> =
        text.lines().map(|line| if line.trim_start().starts_with('#') { "" } else { line.trim() }).collect();
    let (mut commands, mut at) = (Vec::new(), 0);
    while let Some(&line) = lines.get(at) {
        let block: Vec<&str> =
            lines.iter().skip(at + 1).take_while(|line| !line.is_empty()).copied().collect();
        let located = |message| ScriptError { line: at + 1, message };
        if line.is_empty() {
            at += 1;
        } else if line == "clear" {
            commands.push(Command::Clear);
            at += 1;
        } else if line.starts_with("load") {
            commands.push(Command::Load(parse_load(line, &block).map_err(located)?));
            at += 1 + block.len();
        } else {
            let eval = parse_eval(at + 1, line, &block).map_err(located)?;
            commands.push(Command::Eval(Box::new(eval)));
            at += 1 + block.len();
        }
    }
    Ok(commands)
}

fn parse_load(line: &str, block: &[&str]) -> Result<Load, String> {
    let (command, interval) = line.split_once(char::is_whitespace).ok_or("load needs an interval")?;
    let mut load =
        Load { interval: parse_duration(interval.trim())?, series: Vec::new(), converts: command != "load" };
    let mut starts = Vec::new();
    for line in block {
        if let Some((_, items)) = line.split_once("@st ") {
            starts = parse_starts(items)?;
            continue;
        }
        let series = parse_series(line)?;
        load.series.push(SeriesLine { starts: std::mem::take(&mut starts), ..series });
    }
    Ok(load)
}

fn parse_eval(line: usize, text: &str, block: &[&str]) -> Result<Eval, String> {
    let (command, rest) = word(text);
    let (sort, rest) = word(rest);
    let (times, query) = match sort {
        "instant" => {
            let (time, query) = keyword(rest, "at")?;
            (EvalTimes::Instant(millis(time)?), query)
        }
        "range" => {
            let (start, rest) = keyword(rest, "from")?;
            let (end, rest) = keyword(rest, "to")?;
            let (step, query) = keyword(rest, "step")?;
            let (start, end, step) = (millis(start)?, millis(end)?, millis(step)?);
            (EvalTimes::Range { start, end, step }, query)
        }
        _ => return Err(format!("invalid command {text:?}")),
    };
    let mut eval = Eval {
        line,
        query: query.to_owned(),
        times,
        expects: command_expects(command)?,
        series: Vec::new(),
        scalar: None,
        text: None,
        range_vector: None,
    };
    block.iter().try_for_each(|line| parse_expectation(&mut eval, line))?;
    Ok(eval)
}

fn command_expects(command: &str) -> Result<Vec<Expect>, String> {
    let kind = match command {
        "eval" => return Ok(Vec::new()),
        "eval_fail" => ExpectKind::Fail,
        "eval_warn" => ExpectKind::Warn,
        "eval_info" => ExpectKind::Info,
        "eval_ordered" => ExpectKind::Ordered,
        _ => return Err(format!("invalid command {command:?}")),
    };
    Ok(vec![expect(kind)])
}

fn expect(kind: ExpectKind) -> Expect {
    Expect { kind, message: None, regex: None }
}

fn parse_expectation(eval: &mut Eval, line: &str) -> Result<(), String> {
    if let Some(rest) = line.strip_prefix("expect range vector") {
        let (start, rest) = keyword(rest.trim(), "from")?;
        let (end, rest) = keyword(rest, "to")?;
        let (step, _) = keyword(rest, "step")?;
        eval.range_vector = Some([millis(start)?, millis(end)?, millis(step)?]);
    } else if let Some(rest) = line.strip_prefix("expect string") {
        eval.text = Some(quoted(rest.trim())?.0);
    } else if let Some(message) = line.strip_prefix("expected_fail_message") {
        let message = Some(message.trim().to_owned());
        eval.expects.push(Expect { message, ..expect(ExpectKind::Fail) });
    } else if let Some(regex) = line.strip_prefix("expected_fail_regexp") {
        let regex = Some(regex.trim().to_owned());
        eval.expects.push(Expect { regex, ..expect(ExpectKind::Fail) });
    } else if let Some(rest) = line.strip_prefix("expect ") {
        eval.expects.push(parse_expect(rest)?);
    } else if let Some(value) = number(line) {
        eval.scalar = Some(value);
    } else {
        eval.series.push(parse_series(line)?);
    }
    Ok(())
}

fn parse_expect(rest: &str) -> Result<Expect, String> {
    let (kind, rest) = word(rest);
    let kind = match kind {
        "fail" => ExpectKind::Fail,
        "warn" => ExpectKind::Warn,
        "no_warn" => ExpectKind::NoWarn,
        "info" => ExpectKind::Info,
        "no_info" => ExpectKind::NoInfo,
        "ordered" => ExpectKind::Ordered,
        _ => return Err(format!("invalid expectation {kind:?}")),
    };
    let of = |prefix| rest.strip_prefix(prefix).map(|text: &str| text.trim().to_owned());
    Ok(Expect { kind, message: of("msg:"), regex: of("regex:") })
}

fn word(text: &str) -> (&str, &str) {
    let text = text.trim_start();
    let (word, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    (word, rest.trim_start())
}

/// The word after a keyword, and the rest.
fn keyword<'a>(text: &'a str, expected: &str) -> Result<(&'a str, &'a str), String> {
    let (found, rest) = word(text);
    if found == expected { Ok(word(rest)) } else { Err(format!("expected {expected:?}, found {found:?}")) }
}

/// A time or distance in milliseconds; a plain number is seconds.
fn millis(text: &str) -> Result<i64, String> {
    if let Ok(seconds) = text.parse::<f64>() {
        return Ok((seconds * 1000.0) as i64);
    }
    let (sign, text) = text.strip_prefix('-').map_or((1, text), |text| (-1, text));
    let duration = parse_duration(text)?;
    let millis = i64::try_from(duration.as_millis()).map_err(|error| error.to_string())?;
    Ok(sign * millis)
}
