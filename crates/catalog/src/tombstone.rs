//! Deletions of series that are bound to blocks.

use std::collections::BTreeSet;

use latewood_base::Ulid;
use latewood_model::{MatchOp, Matcher, MatcherError, TimeRange};
use serde::{Deserialize, Serialize};

/// A condition on a label, as text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TombstoneMatcher {
    /// The label.
    pub name: String,
    /// `=`, `!=`, `=~` or `!~`.
    pub op: String,
    /// The text or the expression.
    pub value: String,
}

impl From<&Matcher> for TombstoneMatcher {
    fn from(matcher: &Matcher) -> Self {
        Self {
            name: matcher.name().to_owned(),
            op: matcher.op().as_str().to_owned(),
            value: matcher.value().to_owned(),
        }
    }
}

impl TombstoneMatcher {
    /// The condition as it can be evaluated.
    ///
    /// # Errors
    /// [`MatcherError`] when the operator is unknown or the expression does not compile.
    pub fn to_matcher(&self) -> Result<Matcher, MatcherError> {
        let ops = [MatchOp::Equal, MatchOp::NotEqual, MatchOp::Regex, MatchOp::NotRegex];
        let op = ops.into_iter().find(|op| op.as_str() == self.op);
        let op = op.ok_or_else(|| MatcherError::Regex(format!("unknown operator {:?}", self.op)))?;
        Matcher::new(op, &self.name, &self.value)
    }
}

/// A deletion: samples in `range` of the series that fit all `matchers`, in the blocks that were live when it
/// was committed. Samples that come later are visible.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tombstone {
    /// Its id.
    pub id: Ulid,
    /// All must fit.
    pub matchers: Vec<TombstoneMatcher>,
    /// Which samples.
    pub range: TimeRange,
    /// The blocks it is bound to; it goes when the last of them does.
    pub blocks: BTreeSet<Ulid>,
}

/// The most matchers of a tombstone.
const MAX_MATCHERS: usize = 64;
/// The most bytes of a matcher's texts.
const MAX_MATCHER_BYTES: usize = 16 << 10;

impl Tombstone {
    /// Checks what must hold of a tombstone by itself; the text says what is wrong. Expressions are not compiled.
    ///
    /// # Errors
    /// The text.
    pub fn check(&self) -> Result<(), String> {
        if self.matchers.is_empty() || self.matchers.len() > MAX_MATCHERS {
            let count = self.matchers.len();
            return Err(format!("tombstone {}: {count} matchers; 1 to {MAX_MATCHERS} are allowed", self.id));
        }
        for matcher in &self.matchers {
            if matcher.name.len() + matcher.value.len() > MAX_MATCHER_BYTES {
                return Err(format!(
                    "tombstone {}: a matcher has more than {MAX_MATCHER_BYTES} bytes",
                    self.id
                ));
            }
            if !["=", "!=", "=~", "!~"].contains(&matcher.op.as_str()) {
                return Err(format!("tombstone {}: unknown operator {:?}", self.id, matcher.op));
            }
        }
        Ok(())
    }
}
