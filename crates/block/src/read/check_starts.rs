//! Start timestamps of rows against what their span says of them, for `verify`.

use latewood_model::{NO_START, TimestampMs};

use crate::span::{Span, SpanStarts};

/// What was seen of a span.
#[derive(Debug, Default)]
pub(super) struct StartCheck {
    first: Option<TimestampMs>,
    differ: bool,
}

impl StartCheck {
    /// Compares the next sample's; what is wrong with it, if anything. `place` is its number in the span.
    pub(super) fn next(
        &mut self,
        span: &Span,
        place: u64,
        start: Option<TimestampMs>,
    ) -> Option<&'static str> {
        if place == 0 {
            *self = Self { first: start, differ: false };
        }
        self.differ |= self.first != start;
        let is_last = place + 1 == span.samples();
        match span.starts {
            _ if start == Some(NO_START) => Some("its start timestamp is the number that is none"),
            SpanStarts::None if start.is_some() => Some("it has a start timestamp, and its span none"),
            SpanStarts::All(all) if start != Some(all) => Some("its start timestamp is not that of its span"),
            SpanStarts::Each if is_last && !self.differ => {
                Some("the start timestamps of its span are all the same, against what the span says")
            }
            _ => None,
        }
    }
}
