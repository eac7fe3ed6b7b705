//! How an anchored regular expression is matched: most are not worth an automaton.
//!
//! `a|b|c` is a set, `a.*` a prefix, `.*a.*` a search; only the rest runs the compiled expression.

use regex::Regex;
use regex_syntax::hir::{Class, Hir, HirKind, Look};

/// How many texts a set may have: a dashboard's variable may name as many hosts.
const MAX_SET: usize = 1 << 17;
/// How many characters a class in a set may have.
const MAX_CLASS: usize = 4096;
/// How many bytes the texts of a set may have together.
const MAX_SET_BYTES: usize = 1 << 20;

/// A way to match.
#[derive(Clone, Debug)]
pub(super) enum Plan {
    /// One of these, sorted.
    Set(Vec<String>),
    /// A text with a gap on each side.
    Around { before: Gap, literal: String, after: Gap },
    /// The compiled expression; what matches starts with `prefix`.
    Regex { regex: Regex, prefix: String },
}

/// What may stand beside a literal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gap {
    /// Nothing.
    None,
    /// `.*`
    Any,
    /// `.+`
    Some,
}

impl Plan {
    /// The plan of `^(?s:…)$`; compiles it only where nothing simpler will do.
    pub(super) fn new<E>(hir: &Hir, compile: impl FnOnce() -> Result<Regex, E>) -> Result<Self, E> {
        let body = body(hir);
        if let Some(mut set) = body.and_then(texts_of_all) {
            set.sort_unstable();
            set.dedup();
            return Ok(Self::Set(set));
        }
        if let Some(plan) = body.and_then(around) {
            return Ok(plan);
        }
        let first = body.and_then(<[Hir]>::first);
        Ok(Self::Regex { regex: compile()?, prefix: first.and_then(literal).unwrap_or_default() })
    }

    pub(super) fn matches(&self, value: &str) -> bool {
        match self {
            Self::Set(set) => set.binary_search_by(|text| text.as_str().cmp(value)).is_ok(),
            Self::Around { before, literal, after } => matches_around(value, *before, literal, *after),
            Self::Regex { regex, .. } => regex.is_match(value),
        }
    }
}

fn matches_around(value: &str, before: Gap, literal: &str, after: Gap) -> bool {
    let mut chars = value.chars();
    if (before == Gap::Some && chars.next().is_none()) || (after == Gap::Some && chars.next_back().is_none())
    {
        return false;
    }
    let inside = chars.as_str();
    match (before, after) {
        (Gap::None, Gap::None) => inside == literal,
        (Gap::None, _) => inside.starts_with(literal),
        (_, Gap::None) => inside.ends_with(literal),
        _ => inside.contains(literal),
    }
}

/// What is between `^` and `$`, unless they belong to branches only.
fn body(hir: &Hir) -> Option<&[Hir]> {
    let HirKind::Concat(parts) = hir.kind() else {
        return None;
    };
    match parts.as_slice() {
        [first, body @ .., last]
            if matches!(first.kind(), HirKind::Look(Look::Start))
                && matches!(last.kind(), HirKind::Look(Look::End)) =>
        {
            Some(body)
        }
        _ => None,
    }
}

/// All texts that a sequence matches, if they are few.
fn texts_of_all(parts: &[Hir]) -> Option<Vec<String>> {
    let mut texts = vec![String::new()];
    for part in parts {
        let next = texts_of(part)?;
        let bytes = |texts: &[String]| texts.iter().map(String::len).sum::<usize>();
        let size = bytes(&texts).saturating_mul(next.len()) + bytes(&next).saturating_mul(texts.len());
        if texts.len().saturating_mul(next.len()) > MAX_SET || size > MAX_SET_BYTES {
            return None;
        }
        texts = texts.iter().flat_map(|head| next.iter().map(move |tail| format!("{head}{tail}"))).collect();
    }
    Some(texts)
}

fn texts_of(hir: &Hir) -> Option<Vec<String>> {
    match hir.kind() {
        HirKind::Empty => Some(vec![String::new()]),
        HirKind::Literal(_) => literal(hir).map(|text| vec![text]),
        HirKind::Class(Class::Unicode(class)) => {
            let size: usize = class.ranges().iter().map(regex_syntax::hir::ClassUnicodeRange::len).sum();
            (size <= MAX_CLASS).then(|| {
                let chars = class.ranges().iter().flat_map(|range| range.start()..=range.end());
                chars.map(String::from).collect()
            })
        }
        HirKind::Class(Class::Bytes(class)) => {
            let chars = class.ranges().iter().flat_map(|range| range.start()..=range.end());
            chars.map(|byte| byte.is_ascii().then(|| char::from(byte).to_string())).collect()
        }
        HirKind::Capture(capture) => texts_of(&capture.sub),
        HirKind::Concat(parts) => texts_of_all(parts),
        HirKind::Alternation(branches) => {
            let mut texts = Vec::new();
            for branch in branches {
                texts.extend(texts_of(branch)?);
                if texts.len() > MAX_SET {
                    return None;
                }
            }
            Some(texts)
        }
        HirKind::Repetition(repetition) if (repetition.min, repetition.max) == (0, Some(1)) => {
            let mut texts = texts_of(&repetition.sub)?;
            texts.push(String::new());
            Some(texts)
        }
        HirKind::Repetition(_) | HirKind::Look(_) => None,
    }
}

/// `.*`, `.+`, `a.*`, `.+a`, `.*a.*` and so on.
fn around(body: &[Hir]) -> Option<Plan> {
    let plan = |before, literal: String, after| Some(Plan::Around { before, literal, after });
    match body {
        [one] => plan(gap(one)?, String::new(), Gap::Any),
        [first, second] => match (gap(first), gap(second)) {
            (Some(before), None) => plan(before, literal(second)?, Gap::None),
            (None, Some(after)) => plan(Gap::None, literal(first)?, after),
            _ => None,
        },
        [first, middle, last] => plan(gap(first)?, literal(middle)?, gap(last)?),
        _ => None,
    }
}

fn literal(hir: &Hir) -> Option<String> {
    match hir.kind() {
        HirKind::Literal(literal) => String::from_utf8(literal.0.to_vec()).ok(),
        HirKind::Capture(capture) => literal(&capture.sub),
        _ => None,
    }
}

/// Whether it is `.*` or `.+` where the dot is any character.
fn gap(hir: &Hir) -> Option<Gap> {
    match hir.kind() {
        HirKind::Capture(capture) => gap(&capture.sub),
        HirKind::Repetition(repetition) => {
            let HirKind::Class(Class::Unicode(class)) = repetition.sub.kind() else {
                return None;
            };
            let [range] = class.ranges() else { return None };
            let is_any = (range.start(), range.end()) == ('\0', char::MAX);
            match (is_any, repetition.min, repetition.max) {
                (true, 0, None) => Some(Gap::Any),
                (true, 1, None) => Some(Gap::Some),
                _ => None,
            }
        }
        _ => None,
    }
}
