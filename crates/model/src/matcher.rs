//! Label matchers: `=`, `!=`, `=~`, `!~`.

use std::fmt;

use regex::{Regex, RegexBuilder};

/// How a matcher compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum MatchOp {
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `=~`
    Regex,
    /// `!~`
    NotRegex,
}

impl MatchOp {
    /// As PromQL writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Regex => "=~",
            Self::NotRegex => "!~",
        }
    }

    /// Whether it takes a regular expression.
    #[must_use]
    pub fn is_regex(self) -> bool {
        matches!(self, Self::Regex | Self::NotRegex)
    }

    /// Whether it turns the comparison around.
    #[must_use]
    pub fn is_negative(self) -> bool {
        matches!(self, Self::NotEqual | Self::NotRegex)
    }
}

/// A condition on one label. A label that a series lacks has the empty value.
#[derive(Clone)]
pub struct Matcher {
    op: MatchOp,
    name: String,
    value: String,
    regex: Option<Regex>,
}

/// Why a matcher cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MatcherError {
    /// Not a regular expression, or one that is too large.
    #[error("error parsing regexp: {0}")]
    Regex(String),
}

/// Compiled size at which a regular expression is refused, in bytes.
const MAX_REGEX_SIZE: usize = 4 << 20;

impl Matcher {
    /// A matcher; the expression of a regex matcher is compiled, anchored at both ends, and its dot
    /// matches newlines, as in Prometheus.
    ///
    /// # Errors
    /// [`MatcherError::Regex`] when the expression does not compile.
    pub fn new(op: MatchOp, name: &str, value: &str) -> Result<Self, MatcherError> {
        let regex = op.is_regex().then(|| {
            RegexBuilder::new(&format!("^(?s:{value})$"))
                .size_limit(MAX_REGEX_SIZE)
                .build()
                .map_err(|error| MatcherError::Regex(error.to_string()))
        });
        Ok(Self {
            op,
            name: name.to_owned(),
            value: value.to_owned(),
            regex: regex.transpose()?,
        })
    }

    /// How it compares.
    #[must_use]
    pub fn op(&self) -> MatchOp {
        self.op
    }

    /// The label's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The value or the expression, as given.
    #[must_use]
    pub fn value(&self) -> &str {
        &self.value
    }

    /// Whether a label with this value passes; `""` stands for a label that is not there.
    #[must_use]
    pub fn matches(&self, value: &str) -> bool {
        let hit = self
            .regex
            .as_ref()
            .map_or(self.value == value, |regex| regex.is_match(value));
        hit != self.op.is_negative()
    }

    /// Whether a series without the label passes.
    #[must_use]
    pub fn matches_empty(&self) -> bool {
        self.matches("")
    }
}

impl PartialEq for Matcher {
    fn eq(&self, other: &Self) -> bool {
        (self.op, &self.name, &self.value) == (other.op, &other.name, &other.value)
    }
}

impl Eq for Matcher {}

impl fmt::Display for Matcher {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}{}{:?}", self.name, self.op.as_str(), self.value)
    }
}

impl fmt::Debug for Matcher {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regexes_are_anchored_and_dots_match_newlines() {
        let matches =
            |op, expression: &str, value: &str| Matcher::new(op, "a", expression).map(|m| m.matches(value));
        for (op, expression, value, expected) in [
            (MatchOp::Regex, "b|c", "bc", false),
            (MatchOp::Regex, "b.*", "b\nc", true),
            (MatchOp::NotRegex, "b+", "bb", false),
            (MatchOp::NotEqual, "b", "", true),
            (MatchOp::Equal, "", "", true),
        ] {
            assert_eq!(
                matches(op, expression, value),
                Ok(expected),
                "{op:?} {expression} {value:?}"
            );
        }
        assert!(matches(MatchOp::Regex, "(", "").is_err());
    }
}
