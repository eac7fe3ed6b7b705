//! Label matchers: `=`, `!=`, `=~`, `!~`.

use std::fmt;
use std::sync::Arc;

use regex::{Regex, RegexBuilder};
use regex_syntax::ParserBuilder;

use plan::{Gap, Plan};

mod go_regex;
mod plan;

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
    plan: Option<Arc<Plan>>,
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
/// How long a regular expression may be, in bytes.
const MAX_REGEX_LENGTH: usize = 1 << 20;
/// How deep the groups of a regular expression may be nested.
const MAX_REGEX_NESTING: u32 = 250;

/// Compiles an expression in Go's syntax, anchored at both ends, its dot matching newlines, as Prometheus does. Groups
/// have the numbers and names that they have in Go.
///
/// # Errors
/// [`MatcherError::Regex`] when the expression does not compile.
pub fn anchored_regex(expression: &str) -> Result<Regex, MatcherError> {
    compile(&translate(&format!("^(?s:{expression})$"))?)
}

/// The expression in Rust's syntax.
fn translate(expression: &str) -> Result<String, MatcherError> {
    if expression.len() > MAX_REGEX_LENGTH {
        return Err(MatcherError::Regex(format!("expression is longer than {MAX_REGEX_LENGTH} bytes")));
    }
    go_regex::translate(expression).map_err(MatcherError::Regex)
}

fn compile(translated: &str) -> Result<Regex, MatcherError> {
    RegexBuilder::new(translated)
        .size_limit(MAX_REGEX_SIZE)
        .nest_limit(MAX_REGEX_NESTING)
        .build()
        .map_err(|error| MatcherError::Regex(error.to_string()))
}

fn plan(expression: &str) -> Result<Arc<Plan>, MatcherError> {
    // Matchers read the expression by itself: unlike elsewhere, `a)|(b` is none.
    let translated = format!("^(?s:{})$", translate(expression)?);
    let hir = ParserBuilder::new()
        .nest_limit(MAX_REGEX_NESTING)
        .build()
        .parse(&translated)
        .map_err(|error| MatcherError::Regex(error.to_string()))?;
    Plan::new(&hir, || compile(&translated)).map(Arc::new)
}

impl Matcher {
    /// A matcher; the expression of a regex matcher is Go's, is compiled, anchored at both ends, and its dot
    /// matches newlines, as in Prometheus.
    ///
    /// # Errors
    /// [`MatcherError::Regex`] when the expression does not compile.
    pub fn new(op: MatchOp, name: &str, value: &str) -> Result<Self, MatcherError> {
        Ok(Self {
            op,
            name: name.to_owned(),
            value: value.to_owned(),
            plan: op.is_regex().then(|| plan(value)).transpose()?,
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
        let hit = self.plan.as_ref().map_or_else(|| self.value == value, |plan| plan.matches(value));
        hit != self.op.is_negative()
    }

    /// Whether a series without the label passes.
    #[must_use]
    pub fn matches_empty(&self) -> bool {
        self.matches("")
    }

    /// The values that the operand stands for, sorted, where they are few: of `=` and `!=` the value, of
    /// `=~` and `!~` the texts of `a|b|c`. The negative operators exclude them.
    #[must_use]
    pub fn set_matches(&self) -> Option<&[String]> {
        match self.plan.as_deref() {
            None => Some(std::slice::from_ref(&self.value)),
            Some(Plan::Set(set)) => Some(set),
            Some(_) => None,
        }
    }

    /// What every value that the operand stands for starts with; empty where that is not known.
    #[must_use]
    pub fn prefix(&self) -> &str {
        match self.plan.as_deref() {
            None => &self.value,
            Some(Plan::Around { before: Gap::None, literal, .. }) => literal,
            Some(Plan::Regex { prefix, .. }) => prefix,
            Some(_) => "",
        }
    }

    /// Whether every value passes, the empty one too: `=~".*"`.
    #[must_use]
    pub fn matches_everything(&self) -> bool {
        let any = matches!(
            self.plan.as_deref(),
            Some(Plan::Around { before: Gap::Any, literal, after: Gap::Any }) if literal.is_empty()
        );
        any && !self.op.is_negative()
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
            assert_eq!(matches(op, expression, value), Ok(expected), "{op:?} {expression} {value:?}");
        }
        let error = matches(MatchOp::Regex, "(", "").map_err(|error| error.to_string());
        assert_eq!(error, Err("error parsing regexp: missing closing ): `(`".to_owned()));
        assert!(matches(MatchOp::Regex, "(\\w{1000}){1000}", "").is_err());
    }

    fn regex(expression: &str) -> Matcher {
        Matcher::new(MatchOp::Regex, "a", expression).expect("a valid expression")
    }

    #[test]
    fn alternatives_are_sets() {
        for (expression, expected) in [
            ("b|a|b", &["a", "b"][..]),
            ("foo(bar|baz)?", &["foo", "foobar", "foobaz"]),
            ("ab[0-2]", &["ab0", "ab1", "ab2"]),
            ("", &[""]),
            (r"10\.0\.0\.1:9090", &["10.0.0.1:9090"]),
            ("(?i)a", &["A", "a"]),
            ("a|(b|(c))", &["a", "b", "c"]),
        ] {
            let matcher = regex(expression);
            let seen: Option<Vec<&str>> =
                matcher.set_matches().map(|set| set.iter().map(String::as_str).collect());
            assert_eq!(seen.as_deref(), Some(expected), "{expression}");
        }
        let hosts: Vec<String> = (0..100_000).map(|host| format!("h-{host:05}")).collect();
        assert_eq!(regex(&hosts.join("|")).set_matches(), Some(&*hosts));
        for expression in ["a.*", "a+", "[a-z]{4}", r"a\b", r"\p{L}"] {
            assert_eq!(regex(expression).set_matches(), None, "{expression}");
        }
    }

    #[test]
    fn every_plan_matches_as_its_expression_does() {
        let expressions = [
            "a",
            "a|b",
            ".*",
            ".+",
            "a.*",
            "a.+",
            ".*a",
            ".+a",
            ".*a.*",
            ".+a.*",
            ".*a.+",
            ".+a.+",
            "a.*b",
            "(a.*)",
            "(?-s:a.*)",
            "(?i)a.*",
            ".*.*",
            ".*.+",
            "(a|b).*",
            "ä.+",
        ];
        let values =
            ["", "a", "b", "aa", "ab", "ba", "bab", "a\nb", "aab", "äa", "aä", "äaä", "A", "ä", "ab\n"];
        for expression in expressions {
            let (matcher, plain) = (regex(expression), anchored_regex(expression).expect("valid"));
            for value in values {
                assert_eq!(matcher.matches(value), plain.is_match(value), "{expression} {value:?}");
                assert!(
                    !matcher.matches(value) || value.starts_with(matcher.prefix()),
                    "{expression} {value:?}"
                );
            }
        }
    }

    #[test]
    fn prefixes_and_everything_are_known() {
        assert_eq!(
            ["a.*", "ab[0-9]+", ".*a", "(ab).+"].map(|e| regex(e).prefix().to_owned()),
            ["a", "ab", "", "ab"]
        );
        assert!(regex(".*").matches_everything() && !regex(".+").matches_everything());
    }
}
