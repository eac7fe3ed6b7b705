//! Tokens: the words of the language and how errors speak of them.

use crate::ast::{AggregateOp, BinaryOp};
use crate::print::quoted;

/// A word of a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) kind: TokenKind,
    /// Its first byte.
    pub(super) start: usize,
    /// One past its last byte.
    pub(super) end: usize,
}

/// The kinds of tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TokenKind {
    End,
    /// A name without colons.
    Identifier,
    /// A name with colons.
    MetricIdentifier,
    /// With its quotes.
    String,
    Number,
    Duration,
    Comma,
    Colon,
    LeftParen,
    RightParen,
    LeftBrace,
    RightBrace,
    LeftBracket,
    RightBracket,
    /// `=`
    Equals,
    /// `=~`
    Matches,
    /// `!~`
    MatchesNot,
    /// `@`
    At,
    Operator(BinaryOp),
    Aggregator(AggregateOp),
    Keyword(Keyword),
    /// Words that are functions of the query's times, and names elsewhere.
    Time(TimeWord),
}

/// Words that modify.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub(super) enum Keyword {
    Anchored,
    Bool,
    By,
    Fill,
    FillLeft,
    FillRight,
    GroupLeft,
    GroupRight,
    Ignoring,
    Offset,
    On,
    Smoothed,
    Without,
}

/// Words about the query's times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TimeWord {
    Start,
    End,
    Step,
    Range,
    MinOf,
    MaxOf,
}

/// The meaning of a name, in whatever case it is written.
pub(super) fn word(text: &str) -> Option<TokenKind> {
    /// No word of the language is longer.
    const LONGEST: usize = 12;
    if text.len() > LONGEST {
        return None;
    }
    use TokenKind::{Aggregator, Keyword as Key, Operator, Time};
    Some(match text.to_ascii_lowercase().as_str() {
        "and" => Operator(BinaryOp::And),
        "or" => Operator(BinaryOp::Or),
        "unless" => Operator(BinaryOp::Unless),
        "atan2" => Operator(BinaryOp::Atan2),
        "sum" => Aggregator(AggregateOp::Sum),
        "avg" => Aggregator(AggregateOp::Avg),
        "count" => Aggregator(AggregateOp::Count),
        "min" => Aggregator(AggregateOp::Min),
        "max" => Aggregator(AggregateOp::Max),
        "group" => Aggregator(AggregateOp::Group),
        "stddev" => Aggregator(AggregateOp::Stddev),
        "stdvar" => Aggregator(AggregateOp::Stdvar),
        "topk" => Aggregator(AggregateOp::Topk),
        "bottomk" => Aggregator(AggregateOp::Bottomk),
        "count_values" => Aggregator(AggregateOp::CountValues),
        "quantile" => Aggregator(AggregateOp::Quantile),
        "limitk" => Aggregator(AggregateOp::Limitk),
        "limit_ratio" => Aggregator(AggregateOp::LimitRatio),
        "anchored" => Key(Keyword::Anchored),
        "bool" => Key(Keyword::Bool),
        "by" => Key(Keyword::By),
        "fill" => Key(Keyword::Fill),
        "fill_left" => Key(Keyword::FillLeft),
        "fill_right" => Key(Keyword::FillRight),
        "group_left" => Key(Keyword::GroupLeft),
        "group_right" => Key(Keyword::GroupRight),
        "ignoring" => Key(Keyword::Ignoring),
        "offset" => Key(Keyword::Offset),
        "on" => Key(Keyword::On),
        "smoothed" => Key(Keyword::Smoothed),
        "without" => Key(Keyword::Without),
        "start" => Time(TimeWord::Start),
        "end" => Time(TimeWord::End),
        "step" => Time(TimeWord::Step),
        "range" => Time(TimeWord::Range),
        "min_of" => Time(TimeWord::MinOf),
        "max_of" => Time(TimeWord::MaxOf),
        "inf" | "nan" => TokenKind::Number,
        _ => return None,
    })
}

impl TokenKind {
    /// Whether a selector may begin with it as its metric's name.
    pub(super) fn is_metric_name(self) -> bool {
        use BinaryOp::{And, Or, Unless};
        match self {
            Self::Identifier | Self::MetricIdentifier | Self::Aggregator(_) | Self::Time(_) => true,
            Self::Operator(op) => matches!(op, And | Or | Unless),
            Self::Keyword(keyword) => !matches!(
                keyword,
                Keyword::Bool | Keyword::GroupLeft | Keyword::GroupRight | Keyword::Ignoring | Keyword::On
            ),
            _ => false,
        }
    }

    /// Whether it may be a label's name outside of braces.
    pub(super) fn is_label_name(self) -> bool {
        use BinaryOp::{And, Atan2, Or, Unless};
        match self {
            Self::Identifier | Self::MetricIdentifier | Self::Aggregator(_) | Self::Time(_) => true,
            Self::Operator(op) => matches!(op, And | Or | Unless | Atan2),
            Self::Keyword(keyword) => keyword != Keyword::Without,
            _ => false,
        }
    }

    /// Whether an expression may begin with it.
    pub(super) fn begins_expression(self) -> bool {
        matches!(
            self,
            Self::Number
                | Self::Duration
                | Self::String
                | Self::LeftParen
                | Self::LeftBrace
                | Self::Operator(BinaryOp::Add | BinaryOp::Sub)
        ) || self.is_metric_name()
    }

    /// What an error calls a token of this kind with this text.
    pub(super) fn describe(self, text: &str) -> String {
        match self {
            Self::End => "end of input".to_owned(),
            Self::Identifier => format!("identifier {}", quoted(text)),
            Self::MetricIdentifier => format!("metric identifier {}", quoted(text)),
            Self::String => format!("string {}", abridged(text)),
            Self::Number => format!("number {}", abridged(text)),
            Self::Duration => format!("duration {}", abridged(text)),
            Self::At | Self::Matches | Self::MatchesNot | Self::Operator(_) => format!("<op:{text}>"),
            Self::Aggregator(_) => format!("<aggr:{text}>"),
            Self::Keyword(_) => format!("<{text}>"),
            _ => abridged(text),
        }
    }
}

/// Quoted, and cut off after ten characters where it has more than ten bytes.
fn abridged(text: &str) -> String {
    const KEPT: usize = 10;
    if text.len() <= KEPT {
        return quoted(text);
    }
    let kept: String = text.chars().take(KEPT).collect();
    quoted(&kept) + "..."
}
