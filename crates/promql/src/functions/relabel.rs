//! `label_replace` and `label_join`.

use latewood_model::{Labels, LabelsBuilder, anchored_regex};
use regex::{Captures, Regex};

use crate::functions::FunctionError;

/// Bytes of the longest value that a label is given: nested calls could double it again and again.
const MAX_VALUE_BYTES: usize = 1 << 20;

/// `label_replace(v, dst, replacement, src, regex)`, compiled.
#[derive(Clone, Debug)]
pub struct LabelReplace {
    target: String,
    template: Vec<Piece>,
    source: String,
    regex: Regex,
}

/// `label_join(v, dst, separator, src…)`, checked.
#[derive(Clone, Debug)]
pub struct LabelJoin {
    target: String,
    separator: String,
    sources: Vec<String>,
}

/// A part of a replacement.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Number(usize),
    Name(String),
}

impl LabelReplace {
    /// Compiles and checks the arguments.
    ///
    /// # Errors
    /// Prometheus's texts for a regular expression that does not compile and for an empty label name.
    pub fn new(target: &str, replacement: &str, source: &str, regex: &str) -> Result<Self, FunctionError> {
        let compiled = anchored_regex(regex)
            .map_err(|_| FunctionError(format!("invalid regular expression in label_replace(): {regex}")))?;
        check_name("destination", "label_replace", target)?;
        Ok(Self {
            target: target.to_owned(),
            template: pieces(replacement),
            source: source.to_owned(),
            regex: compiled,
        })
    }

    /// The label that is set; when it is the metric's name, the result has a name again.
    #[must_use]
    pub fn target(&self) -> &str {
        &self.target
    }

    /// The labels afterwards; `None` where the expression does not match and nothing changes.
    ///
    /// # Errors
    /// The value would be longer than a mebibyte.
    pub fn apply(&self, labels: &Labels) -> Result<Option<Labels>, FunctionError> {
        let Some(captures) = self.regex.captures(labels.get(&self.source).unwrap_or("")) else {
            return Ok(None);
        };
        let value = value_of(self.template.iter().map(|piece| expand(piece, &captures)), "label_replace")?;
        Ok(Some(LabelsBuilder::from(labels).set(&self.target, &value).build()))
    }
}

impl LabelJoin {
    /// Checks the arguments.
    ///
    /// # Errors
    /// Prometheus's texts for an empty label name.
    pub fn new(target: &str, separator: &str, sources: &[&str]) -> Result<Self, FunctionError> {
        for source in sources {
            check_name("source", "label_join", source)?;
        }
        check_name("destination", "label_join", target)?;
        Ok(Self {
            target: target.to_owned(),
            separator: separator.to_owned(),
            sources: sources.iter().map(|source| (*source).to_owned()).collect(),
        })
    }

    /// The label that is set; when it is the metric's name, the result has a name again.
    #[must_use]
    pub fn target(&self) -> &str {
        &self.target
    }

    /// The labels afterwards.
    ///
    /// # Errors
    /// The value would be longer than a mebibyte.
    pub fn apply(&self, labels: &Labels) -> Result<Labels, FunctionError> {
        let pieces = self.sources.iter().enumerate().flat_map(|(index, source)| {
            let separator = if index == 0 { "" } else { &self.separator };
            [separator, labels.get(source).unwrap_or("")]
        });
        let value = value_of(pieces, "label_join")?;
        Ok(LabelsBuilder::from(labels).set(&self.target, &value).build())
    }
}

/// The pieces as one text. Its length is looked at before memory is taken for it.
fn value_of<'a>(
    pieces: impl Iterator<Item = &'a str> + Clone,
    function: &str,
) -> Result<String, FunctionError> {
    let bytes = pieces.clone().fold(0_usize, |sum, piece| sum.saturating_add(piece.len()));
    if bytes > MAX_VALUE_BYTES {
        return Err(FunctionError(format!(
            "{function}() would make a label value of {bytes} bytes; at most {MAX_VALUE_BYTES} are allowed"
        )));
    }
    Ok(pieces.collect())
}

/// Label names are any UTF-8 text that is not empty.
fn check_name(role: &str, function: &str, name: &str) -> Result<(), FunctionError> {
    if name.is_empty() {
        return Err(FunctionError(format!("invalid {role} label name in {function}(): {name}")));
    }
    Ok(())
}

/// Splits a replacement as Go's `Expand` does: `$name` with the longest name there is, `${name}`, `$$`; a `$` before
/// anything else is a letter.
fn pieces(template: &str) -> Vec<Piece> {
    let (mut pieces, mut rest) = (Vec::new(), template);
    while let Some((text, tail)) = rest.split_once('$') {
        pieces.push(Piece::Text(text.to_owned()));
        if let Some(after) = tail.strip_prefix('$') {
            pieces.push(Piece::Text("$".to_owned()));
            rest = after;
        } else if let Some((name, after)) = reference(tail) {
            pieces.push(match name.parse() {
                Ok(number) if !name.starts_with('+') => Piece::Number(number),
                _ => Piece::Name(name.to_owned()),
            });
            rest = after;
        } else {
            pieces.push(Piece::Text("$".to_owned()));
            rest = tail;
        }
    }
    pieces.push(Piece::Text(rest.to_owned()));
    pieces
}

/// The name that a text behind a `$` starts with, and what follows it.
fn reference(text: &str) -> Option<(&str, &str)> {
    let braced = text.strip_prefix('{');
    let inside = braced.unwrap_or(text);
    let end = inside.find(|c: char| c != '_' && !c.is_alphanumeric()).unwrap_or(inside.len());
    let (name, after) = inside.split_at(end);
    let after = if braced.is_some() { after.strip_prefix('}')? } else { after };
    (!name.is_empty()).then_some((name, after))
}

fn expand<'a>(piece: &'a Piece, captures: &'a Captures<'_>) -> &'a str {
    match piece {
        Piece::Text(text) => text,
        Piece::Number(number) => captures.get(*number).map_or("", |found| found.as_str()),
        Piece::Name(name) => captures.name(name).map_or("", |found| found.as_str()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replaced(replacement: &str, regex: &str) -> Option<String> {
        let labels = Labels::from_pairs([("src", "source-value-10"), ("dst", "old")]);
        let replace = LabelReplace::new("dst", replacement, "src", regex).expect("valid");
        let replaced = replace.apply(&labels).expect("a short value");
        replaced.map(|labels| labels.get("dst").unwrap_or("").to_owned())
    }

    #[test]
    fn replacements_expand_as_in_go() {
        for (replacement, regex, expected) in [
            ("value-$1", "source-value-(.*)", Some("value-10")),
            ("$1", "value-(.*)", None),
            ("${1}x$1x", "source-value-(.*)", Some("10x")),
            ("$n-$$-$", "source-value-(?P<n>.*)", Some("10-$-$")),
            ("${n", "source-(?P<n>.*)", Some("${n")),
            ("$9", ".*", Some("")),
            (r"\1", r"source-value-(\d+)", Some(r"\1")),
            ("a", "", None),
        ] {
            assert_eq!(replaced(replacement, regex).as_deref(), expected, "{replacement} {regex}");
        }
    }

    #[test]
    fn bad_arguments_are_refused_in_prometheus_words() {
        let error = |target, regex| {
            LabelReplace::new(target, "", "", regex).map(|_| ()).map_err(|error| error.to_string())
        };
        assert_eq!(error("a", "("), Err("invalid regular expression in label_replace(): (".to_owned()));
        assert_eq!(error("", "a"), Err("invalid destination label name in label_replace(): ".to_owned()));
        let error = LabelJoin::new("a", "", &["b", ""]).map(|_| ()).map_err(|error| error.to_string());
        assert_eq!(error, Err("invalid source label name in label_join(): ".to_owned()));
    }

    #[test]
    fn joins_keep_the_places_of_missing_labels() {
        let labels = Labels::from_pairs([("a", "1"), ("c", "3"), ("dst", "old")]);
        let join = |sources: &[&str]| {
            let joined = LabelJoin::new("dst", "-", sources).and_then(|join| join.apply(&labels));
            joined.map(|labels| labels.to_string())
        };
        assert_eq!(join(&["a", "b", "c"]), Ok(r#"{a="1", c="3", dst="1--3"}"#.to_owned()));
        assert_eq!(join(&[]), Ok(r#"{a="1", c="3"}"#.to_owned()));
    }

    #[test]
    fn values_that_would_be_too_long_are_refused() {
        let labels = Labels::from_pairs([("a", "x".repeat(MAX_VALUE_BYTES / 2).as_str())]);
        let replace = |replacement: &str| {
            let replace = LabelReplace::new("dst", replacement, "a", "(.*)").expect("valid");
            replace
                .apply(&labels)
                .map(|labels| labels.map_or(0, |labels| labels.get("dst").map_or(0, str::len)))
        };
        assert_eq!(replace("$1$1"), Ok(MAX_VALUE_BYTES));
        assert_eq!(
            replace("$1$1!").map_err(|error| error.to_string()),
            Err("label_replace() would make a label value of 1048577 bytes; at most 1048576 are allowed"
                .to_owned())
        );
        let join = LabelJoin::new("dst", "-", &["a", "a"]).expect("valid");
        assert!(join.apply(&labels).is_err());
    }
}
