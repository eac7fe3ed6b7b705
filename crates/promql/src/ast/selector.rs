//! Selectors of series and how they move in time.

use latewood_model::{Matcher, TimestampMs};

use super::Offset;

/// An instant vector selector.
#[derive(Clone, Debug, PartialEq)]
pub struct VectorSelector {
    /// The metric's name where it stood before the braces; it is among `matchers` too.
    pub name: Option<String>,
    /// All must match; the metric's name included.
    pub matchers: Vec<Matcher>,
    /// How it moves in time.
    pub shift: Shift,
    /// `anchored` or `smoothed`.
    pub extension: Option<Extension>,
}

/// `offset` and `@`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Shift {
    /// How far to look back.
    pub offset: Offset,
    /// The fixed time, if there is one.
    pub at: Option<At>,
}

/// The time of an `@` modifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// `@ 1609746000`
    Time(TimestampMs),
    /// `@ start()`
    Start,
    /// `@ end()`
    End,
}

/// How a range selector treats its window's bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Extension {
    /// `anchored`: the last values before the bounds stand for the values at them.
    Anchored,
    /// `smoothed`: the values at the bounds lie on the line between their neighbours.
    Smoothed,
}

impl Extension {
    /// As queries write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Anchored => "anchored",
            Self::Smoothed => "smoothed",
        }
    }
}
